/** What host patterns mean. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePatterns, selectHosts } from "./selection.ts";

const HOSTS = [
  { name: "lb", tags: ["edge"] },
  { name: "web1", tags: ["web", "canary"] },
  { name: "web2", tags: ["web"] },
];

const cases: Record<string, string> = {
  "": "lb web1 web2",
  web1: "web1",
  "web*": "web1 web2",
  "web2,lb": "lb web2",
  "@web": "web1 web2",
  "@web,@edge": "lb web1 web2",
  "@can*": "web1",
  "web?": "web1 web2",
  "web.": "HOST_UNKNOWN",
  "@db": "HOST_UNKNOWN",
  "lb,wbe1": "HOST_UNKNOWN",
};

for (const [patterns, expected] of Object.entries(cases)) {
  test(`hosts for '${patterns}'`, () => {
    let shown: string;
    try {
      shown = selectHosts(HOSTS, parsePatterns([patterns]))
        .map((host) => host.name)
        .join(" ");
    } catch (error) {
      shown = (error as { code: string }).code;
    }
    assert.equal(shown, expected);
  });
}
