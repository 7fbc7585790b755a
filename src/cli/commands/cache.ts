/** `pristine cache`: the remembered results of evaluations. */

import type { Command } from "commander";
import { OperationError } from "../../base/errors.ts";
import { EXIT, exitCodesHelp } from "../exit-codes.ts";
import { action } from "../session.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

export function registerCache(program: Command): void {
  const cache = program
    .command("cache")
    .summary("show, empty or limit the remembered results of evaluations")
    .description(
      "Results of evaluations are kept with what was read for them, and used again while all of that is unchanged. See docs/manual/cache.md.",
    )
    .addHelpText("after", exitCodesHelp({ ok: "done", usage: "the limit is no size, or the cache cannot be written" }));

  cache
    .command("show")
    .summary("say where the cache is and how large")
    .addHelpText("after", exitCodesHelp({ ok: "shown" }))
    .action(
      action(async (session) => {
        const { EvaluationCache } = await import("../../realise/cache/evaluation-cache.ts");
        const { renderBytes, renderCount } = await import("../../base/quantities.ts");
        const { residentStatus } = await import("../../realise/resident/resident-client.ts");
        const usage = EvaluationCache.ofUser().usage();
        const resident = await residentStatus(session.signal);
        if (session.options.json) session.terminal.out(JSON.stringify({ ...usage, resident: resident ?? null }));
        else {
          const { entries, bytes, bytesMax, directory } = usage;
          const size = `${renderBytes(bytes)} of at most ${renderBytes(bytesMax)}`;
          session.terminal.out(`${directory}: ${renderCount(entries, "result")}, ${size}`);
          if (resident === undefined) session.terminal.out("no resident evaluator is running");
          else {
            const answers = renderCount(resident.answered, "evaluation");
            const heap = renderBytes(resident.heapBytes);
            session.terminal.out(`the resident evaluator is process ${resident.pid}: ${answers}, ${heap} of values`);
          }
        }
        return EXIT.ok;
      }),
    );

  cache
    .command("clear")
    .summary("forget all results")
    .addHelpText("after", exitCodesHelp({ ok: "nothing is remembered any more" }))
    .action(
      action(async (session) => {
        const { EvaluationCache } = await import("../../realise/cache/evaluation-cache.ts");
        const { renderBytes, renderCount } = await import("../../base/quantities.ts");
        const { entries, bytes } = EvaluationCache.ofUser().clear();
        if (session.options.json) session.terminal.out(JSON.stringify({ entries, bytes }));
        else session.terminal.out(`removed ${renderCount(entries, "result")}, ${renderBytes(bytes)}`);
        return EXIT.ok;
      }),
    );

  cache
    .command("limit")
    .summary("bound the size of the cache")
    .description("Sets how large the cache may grow. What was not used for longest is removed first.")
    .argument("<size>", "bytes, or with K, M or G after them")
    .addHelpText("after", exitCodesHelp({ ok: "the limit holds", usage: "that is not a size" }))
    .action(
      action(async (session, size: string) => {
        const { EvaluationCache } = await import("../../realise/cache/evaluation-cache.ts");
        const { renderBytes } = await import("../../base/quantities.ts");
        const bytesMax = parseSize(size);
        if (!EvaluationCache.ofUser().setBytesMax(bytesMax)) {
          throw new OperationError("CACHE_NOT_WRITABLE", "the cache's directory cannot be written by you alone", {
            hint: "look at it with 'pristine cache show': it must belong to you, and nobody else may write to it",
          });
        }
        if (session.options.json) session.terminal.out(JSON.stringify({ bytesMax }));
        else session.terminal.out(`the cache takes at most ${renderBytes(bytesMax)}`);
        return EXIT.ok;
      }),
    );
}

function parseSize(text: string): number {
  const match = /^(\d{1,12})([KMG]?)$/.exec(text);
  if (match !== null) return Number(match[1]) * UNITS[match[2]!]!;
  throw new OperationError("CACHE_LIMIT_INVALID", `'${text}' is not a size`, { hint: "write 500M or 2G" });
}
