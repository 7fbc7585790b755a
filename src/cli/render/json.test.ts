/** JSON spread over lines: as a JSON library would, but numbers keep their digits. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { indentJson } from "./json.ts";

const CASES: readonly (readonly [compact: string, spread: string])[] = [
  ["1", "1"],
  ["[]", "[]"],
  ["{}", "{}"],
  ['{"a":[1,{}],"b":"x,{[\\"]"}', '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": "x,{[\\"]"\n}'],
  ["[9223372036854775807,1.0]", "[\n  9223372036854775807,\n  1.0\n]"],
];

for (const [compact, spread] of CASES) test(compact, () => assert.equal(indentJson(compact), spread));
