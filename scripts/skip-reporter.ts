/** A test reporter that allows no skips: what can be had on this machine is required in CI. */

import type { TestEvent } from "node:test/reporters";

export default async function* skipReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type !== "test:pass" || event.data.skip === undefined || event.data.skip === false) continue;
    process.exitCode = 1;
    const reason = event.data.skip === true ? "" : `: ${event.data.skip}`;
    yield `REQUIRED BUT SKIPPED: ${event.data.file ?? ""} ${event.data.name}${reason}\n`;
  }
}
