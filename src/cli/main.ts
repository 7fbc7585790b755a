/** The `pristine` program: parses the command line and runs the command. */

import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { CommanderError } from "commander";
import { EXIT } from "./exit-codes.ts";
import { makeProgram } from "./program.ts";
import { guardOutput } from "./render/terminal.ts";

// From a checkout's sources there is nothing worth caching.
if (import.meta.filename.endsWith(".js")) enableCompileCache(join(import.meta.dirname, "compile-cache"));

guardOutput();

try {
  await makeProgram().parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  // The text for people is on standard error; a program gets its one value.
  if (error.exitCode !== 0 && process.argv.includes("--json")) {
    const message = error.code === "commander.help" ? "a command is missing" : error.message.replace(/^error: /, "");
    process.stdout.write(`${JSON.stringify({ error: { code: "USAGE", message } })}\n`);
  }
}
