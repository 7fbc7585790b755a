/** "Did you mean …". */

import assert from "node:assert/strict";
import { test } from "node:test";
import { renderSuggestions, suggestionsFor } from "./suggestions.ts";

test("close names are suggested, the closest first", () => {
  assert.deepEqual(suggestionsFor("nginix", ["nginx", "openssh", "nix", "ngins"]), ["nginx", "ngins"]);
});

test("nothing close suggests nothing", () => {
  assert.equal(renderSuggestions(suggestionsFor("services", ["boot", "users"])), "");
});

test("several are listed", () => assert.equal(renderSuggestions(["a", "b", "c"]), "Did you mean one of a, b or c?"));
