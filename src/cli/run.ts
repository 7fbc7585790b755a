/** Runs the command that the command line names, and sets the exit status. */

import { CommanderError } from "commander";
import { EXIT } from "./exit-codes.ts";
import { joinPairs } from "./option-values.ts";
import { makeProgram } from "./program.ts";
import { guardOutput } from "./render/terminal.ts";

export async function run(): Promise<void> {
  guardOutput();
  try {
    await makeProgram().parseAsync(joinPairs(process.argv));
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    // The text for people is on standard error; a program gets its one value.
    if (error.exitCode !== 0 && process.argv.includes("--json")) {
      const message = error.code === "commander.help" ? "a command is missing" : error.message.replace(/^error: /, "");
      process.stdout.write(`${JSON.stringify({ error: { code: "USAGE", message } })}\n`);
    }
  }
}
