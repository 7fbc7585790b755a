/**
 * A test reporter of what keeps a run from passing, a line each: tests that failed and, where `PRISTINE_ALLOW_NO_SKIPS`
 * is set, tests that were skipped. What can be had on this machine is required in CI; sources that a setting names are
 * not, such as Nix's own tests.
 */

import { relative } from "node:path";
import type { TestEvent } from "node:test/reporters";

export default async function* verdictReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    if (type === "test:fail") {
      // A suite, or a file, fails by what is in it, which has had its own line.
      const { error } = data.details;
      if ("failureType" in error && error.failureType === "subtestsFailed") continue;
      const message = error.cause instanceof Error ? error.cause.message : String(error.cause ?? error.message);
      yield `FAILED ${place(data.file)}: ${data.name}: ${message.trim().split("\n").slice(0, 12).join("\n    ")}\n`;
    }
    if (type === "test:pass" && process.env["PRISTINE_ALLOW_NO_SKIPS"] === "true") {
      if (data.skip === undefined || data.skip === false) continue;
      const reason = data.skip === true ? "no reason" : data.skip;
      if (reason.endsWith(" is not set")) continue;
      process.exitCode = 1;
      yield `REQUIRED BUT SKIPPED: ${place(data.file)}: ${data.name}: ${reason}\n`;
    }
  }
}

function place(file: string | undefined): string {
  return file === undefined ? "?" : relative(process.cwd(), file);
}
