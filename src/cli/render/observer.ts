/** Shows what operations on a fleet say of themselves. */

import { safeText } from "../../base/safe-text.ts";
import { renderArgv } from "../../base/shell-words.ts";
import type { Observer } from "../../library/deployer.ts";
import type { Progress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

export function terminalObserver(
  { colors }: Terminal,
  progress: Progress,
  options: { readonly showCommands: boolean; readonly verbose: boolean },
): Observer {
  return {
    update: (subject, text, how) => progress.update(subject, text, how),
    done: (subject, text, mark) => progress.done(subject, text, mark),
    note: (text) => progress.line(safeText(text)),
    warning: (text) => progress.line(`${colors.yellow("warning:")} ${safeText(text)}`),
    output: (subject, line) => progress.line(`${colors.bold(subject)} | ${safeText(line)}`),
    ...(options.showCommands && {
      command: (where, argv, over) => {
        // What runs on the host is what one wants to know; how it gets there is the same each time.
        const shown = options.verbose && over !== undefined ? over : argv;
        progress.line(colors.dim(`${where} + ${safeText(renderArgv(shown) || "(a shell)")}`));
      },
    }),
  };
}
