/** What can be told of an input without fetching it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalFlakeReference, parseFlakeReference, sameFlakeReference } from "./flake-reference.ts";
import { inputAtRevision, isDirectInput, isLockedInput, localSourcePath, pathInput, renderInput } from "./input.ts";

const REVISION = "a".repeat(40);

const cases: Record<string, { readonly direct: boolean; readonly locked: boolean; readonly local?: string }> = {
  nixpkgs: { direct: false, locked: false },
  [`nixpkgs/${REVISION}`]: { direct: false, locked: false },
  "path:/a": { direct: true, locked: false, local: "/a" },
  "path:./a": { direct: true, locked: false },
  "git+file:///a": { direct: true, locked: false, local: "/a" },
  "git+file:///a?ref=main": { direct: true, locked: false },
  [`git+file:///a?rev=${REVISION}`]: { direct: true, locked: true },
  [`git+file:///a?rev=${"0".repeat(40)}`]: { direct: true, locked: false },
  "github:o/r": { direct: true, locked: false },
  [`github:o/r/${REVISION}`]: { direct: true, locked: true },
  [`https://h/a.tar?rev=${REVISION}`]: { direct: true, locked: false },
  "https://h/a.tar?narHash=sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=": { direct: true, locked: true },
};

for (const [reference, expected] of Object.entries(cases)) {
  test(`input ${reference}`, () => {
    const { input } = parseFlakeReference(reference, { keepsRelative: true });
    const local = localSourcePath(input);
    const found = { direct: isDirectInput(input), locked: isLockedInput(input) };
    assert.deepEqual(local === undefined ? found : { ...found, local }, expected);
  });
}

const atRevision: readonly (readonly [string, string | undefined, string | undefined, string])[] = [
  ["github:o/r/main", "dev", undefined, "github:o/r/dev"],
  ["github:o/r/main", undefined, REVISION, `github:o/r/${REVISION}`],
  ["git+https://h/r", "dev", REVISION, `git+https://h/r?ref=dev&rev=${REVISION}`],
  ["path:/a", undefined, undefined, "path:/a"],
];

for (const [reference, ref, rev, expected] of atRevision) {
  test(`${reference} at ${ref ?? ""} ${rev ?? ""}`, () => {
    assert.equal(renderInput(inputAtRevision(parseFlakeReference(reference).input, ref, rev)), expected);
  });
}

test("a dir that an old lock file has in the URL, too, does not make another reference", () => {
  const plain = parseFlakeReference("git+https://h/r?dir=d");
  const old = { ...plain, input: new Map(plain.input).set("url", "https://h/r?dir=d") };
  assert.ok(!sameFlakeReference(plain, old));
  assert.ok(sameFlakeReference(plain, canonicalFlakeReference(old)));
  assert.equal(renderInput(pathInput("/a b")), "path:/a%20b");
});
