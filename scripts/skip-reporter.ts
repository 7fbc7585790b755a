/**
 * A test reporter that allows no skips: what can be had on this machine is required in CI. Sources that a setting names
 * are not, such as Nix's own tests.
 */

import type { TestEvent } from "node:test/reporters";

export default async function* skipReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type !== "test:pass" || event.data.skip === undefined || event.data.skip === false) continue;
    const reason = event.data.skip === true ? "no reason" : event.data.skip;
    if (reason.endsWith(" is not set")) continue;
    process.exitCode = 1;
    yield `REQUIRED BUT SKIPPED: ${event.data.file ?? ""} ${event.data.name}: ${reason}\n`;
  }
}
