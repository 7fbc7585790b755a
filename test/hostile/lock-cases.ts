/**
 * Lock files that are damaged, and inputs that cannot be reached: cases for ours and for a real Nix. `DIR` stands for a
 * directory that `makeLockedFlakes` filled, `HERE` for that of the case.
 */

import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const WHEN = new Date("2024-01-02T03:04:05Z");

/** What a lock file holds, loosely enough to damage it. */
type Json = Record<string, unknown>;
type Node = Record<"inputs" | "locked" | "original", Json>;

interface LockJson extends Json {
  nodes: Record<string, Node>;
}

const LEAF = "{ outputs = _: { x = 5; }; }\n";
const MIDDLE = '{ inputs.b.url = "path:DIR/b"; outputs = { self, b }: { x = b.x; }; }\n';
/** What `x` is of a whole flake. */
export const VALUE = "10";

const TOP = `{
  inputs.b.url = "path:DIR/b";
  inputs.c.url = "path:DIR/c";
  inputs.c.inputs.b.follows = "b";
  outputs = { self, b, c }: { x = b.x + c.x; };
}
`;

/** The directory of two flakes that others lock. */
export function makeLockedFlakes(directory: string): void {
  writeFlake(join(directory, "b"), LEAF);
  writeFlake(join(directory, "c"), MIDDLE.replaceAll("DIR", directory));
}

function writeFlake(directory: string, text: string, lock?: string): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "flake.nix"), text);
  if (lock !== undefined) writeFileSync(join(directory, "flake.lock"), lock, "latin1");
  for (const path of ["flake.nix", ...(lock === undefined ? [] : ["flake.lock"]), ""]) {
    utimesSync(join(directory, path), WHEN, WHEN);
  }
}

/** A whole flake, which anybody can lock. */
export function writeTop(directory: string, all: string): void {
  writeFlake(directory, TOP.replaceAll("DIR", all));
}

export interface LockCase {
  readonly name: string;
  /** Makes the text of the lock file out of a good one. */
  readonly damage?: (lock: LockJson) => string;
  /** A flake of its own. */
  readonly flake?: string;
  /** What is printed, or the last message of the error. Without it, the lock file is made good, and `x` printed. */
  readonly expected?: string;
  /** How what a real Nix says begins, where that is something else; `repaired` when it makes the lock file good again. */
  readonly real?: string;
}

export function writeCase(directory: string, { damage, flake }: LockCase, good: string): void {
  const all = join(directory, "..");
  const text = (flake ?? TOP).replaceAll("DIR", all).replaceAll("HERE", directory);
  writeFlake(directory, text, damage?.(JSON.parse(good) as LockJson));
}

/** The last message of an error, on one line, or what was printed; of paths only what is the same everywhere. */
export function verdictOf(output: string, directory: string, name: string): string {
  const shown = output
    .replaceAll(`${directory}/${name}`, "HERE")
    .replaceAll(directory, "DIR")
    .replace(/[0-9a-z]{32}-source/g, "HASH-source");
  return messageOf(shown);
}

function messageOf(output: string): string {
  const start = output.lastIndexOf("error: ");
  if (start < 0) return output.trim();
  return output
    .slice(start)
    .split(/\n +at |\n *\d+\||\n *Did you mean|\nTry /)[0]!
    .replace(/\s+/g, " ")
    .trim();
}

const edited =
  (edit: (lock: LockJson) => void): NonNullable<LockCase["damage"]> =>
  (lock) => {
    edit(lock);
    return JSON.stringify(lock);
  };
const text =
  (lock: string): NonNullable<LockCase["damage"]> =>
  () =>
    lock;
const input = (url: string): string => `{ inputs.a.url = "${url}"; outputs = { self, a }: { x = a.x; }; }\n`;

export const LOCK_CASES: readonly LockCase[] = [
  { name: "absent" },
  {
    name: "empty",
    damage: text(""),
    expected: "error: Could not parse '/nix/store/HASH-source/flake.lock': Unexpected end of JSON input",
    real: "error: Could not parse '/nix/store/HASH-source/flake.lock': [json.exception.parse_error.101] parse error at line 1, column 1: attempting to parse an empty input; check that your input string or stream contains the expected JSON",
  },
  {
    name: "cut-off",
    damage: (lock) => JSON.stringify(lock).slice(0, 100),
    expected:
      "error: Could not parse '/nix/store/HASH-source/flake.lock': Unterminated string in JSON at position 100 (line 1 column 101)",
    real: "error: Could not parse '/nix/store/HASH-source/flake.lock': [json.exception.parse_error.101] parse error at line 1, column 101: syntax error while parsing value - invalid string: missing closing quote; last read: '\"sha256-YzR2TwoPSARMHnqIWlcTU6oZHtZ05e0'",
  },
  {
    name: "more-behind",
    damage: text("{} {"),
    expected:
      "error: Could not parse '/nix/store/HASH-source/flake.lock': Unexpected non-whitespace character after JSON at position 3 (line 1 column 4)",
    real: "error: Could not parse '/nix/store/HASH-source/flake.lock': [json.exception.parse_error.101] parse error at line 1, column 4: syntax error while parsing value - unexpected '{'; expected end of input",
  },
  {
    name: "null",
    damage: text("null"),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' has unsupported version 0",
    real: "error: [json.exception.type_error.306] cannot use value() with null",
  },
  {
    name: "list",
    damage: text("[]"),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' has unsupported version 0",
    real: "error: [json.exception.type_error.306] cannot use value() with array",
  },
  {
    name: "number",
    damage: text("42"),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' has unsupported version 0",
    real: "error: [json.exception.type_error.306] cannot use value() with number",
  },
  {
    name: "nul-byte",
    damage: text('{"version": 7\0}'),
    expected:
      "error: Could not parse '/nix/store/HASH-source/flake.lock': Expected ',' or '}' after property value in JSON at position 13 (line 1 column 14)",
    real: "error: Could not parse '/nix/store/HASH-source/flake.lock': [json.exception.parse_error.101] parse error at line 1, column 14: syntax error while parsing object - unexpected end of input; expected '}'",
  },
  {
    name: "not-utf8",
    damage: text('{"version": 7, "nodes": {}, "root": "\xff"}'),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: a node or its inputs are not objects",
    real: "error: Could not parse '/nix/store/HASH-source/flake.lock': [json.exception.parse_error.101] parse error at line 1, column 38: syntax error while parsing value - invalid string: ill-formed UTF-8 byte; last read: '\"�'",
  },
  {
    name: "nested-deeply",
    damage: text("[".repeat(100_000)),
    expected: "error: Could not parse '/nix/store/HASH-source/flake.lock': Unexpected end of JSON input",
    real: "error: Could not parse '/nix/store/HASH-source/flake.lock': [json.exception.parse_error.101] parse error at line 1, column 100001: syntax error while parsing value - unexpected end of input; expected '[', '{', or a literal",
  },
  {
    name: "version-absent",
    damage: edited((lock) => delete lock["version"]),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' has unsupported version 0",
  },
  {
    name: "version-text",
    damage: edited((lock) => (lock["version"] = "7")),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' has unsupported version \"7\"",
    real: "error: [json.exception.type_error.302] type must be number, but is string",
  },
  {
    name: "version-huge",
    damage: edited((lock) => (lock["version"] = 1e300)),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' has unsupported version 1e+300",
    real: "error: lock file '/nix/store/HASH-source/flake.lock' has unsupported version -2147483648",
  },
  {
    name: "root-absent",
    damage: edited((lock) => delete lock["root"]),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: it has no nodes or no root",
    real: "error: [json.exception.type_error.302] type must be string, but is null",
  },
  {
    name: "root-number",
    damage: edited((lock) => (lock["root"] = 1)),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: it has no nodes or no root",
    real: "error: [json.exception.type_error.302] type must be string, but is number",
  },
  {
    name: "root-unknown",
    damage: edited((lock) => (lock["root"] = "nothing")),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: a node or its inputs are not objects",
    real: "repaired",
  },
  {
    name: "nodes-absent",
    damage: edited((lock) => delete (lock as Json)["nodes"]),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: it has no nodes or no root",
    real: "repaired",
  },
  {
    name: "nodes-list",
    damage: edited((lock) => ((lock as Json)["nodes"] = [])),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: it has no nodes or no root",
    real: "error: [json.exception.type_error.305] cannot use operator[] with a string argument with array",
  },
  {
    name: "node-absent",
    damage: edited(({ nodes }) => delete nodes["b"]),
    expected: "error: lock file references missing node 'b'",
  },
  {
    name: "node-text",
    damage: edited(({ nodes }) => ((nodes as Json)["b"] = "b")),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: node 'b' is not an object",
    real: "error: attribute 'locked' missing in lock file",
  },
  {
    name: "node-null",
    damage: edited(({ nodes }) => ((nodes as Json)["b"] = null)),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: node 'b' is not an object",
    real: "error: attribute 'locked' missing in lock file",
  },
  {
    name: "inputs-list",
    damage: edited(({ nodes }) => ((nodes["root"] as Json)["inputs"] = [])),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: a node or its inputs are not objects",
    real: "repaired",
  },
  {
    name: "input-number",
    damage: edited(({ nodes }) => (nodes["root"]!.inputs["b"] = 1)),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: the name of an input is not a string",
    real: "error: [json.exception.type_error.302] type must be string, but is number",
  },
  { name: "input-cycle", damage: edited(({ nodes }) => (nodes["c"]!.inputs["b"] = "c")) },
  { name: "follows-itself", damage: edited(({ nodes }) => (nodes["c"]!.inputs["b"] = ["c", "b"])) },
  { name: "follows-nothing", damage: edited(({ nodes }) => (nodes["c"]!.inputs["b"] = ["z"])) },
  { name: "follows-root", damage: edited(({ nodes }) => (nodes["c"]!.inputs["b"] = [])) },
  {
    name: "follows-each-other",
    damage: edited(({ nodes }) => Object.assign(nodes["root"]!.inputs, { b: ["c"], c: ["b"] })),
  },
  {
    name: "follows-number",
    damage: edited(({ nodes }) => (nodes["c"]!.inputs["b"] = [1])),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: the name of an input is not a string",
    real: "error: [json.exception.type_error.302] type must be string, but is number",
  },
  {
    name: "locked-absent",
    damage: edited(({ nodes }) => delete (nodes["b"] as Json)["locked"]),
    expected: "error: attribute 'locked' missing in lock file",
  },
  {
    name: "locked-text",
    damage: edited(({ nodes }) => ((nodes["b"] as Json)["locked"] = "b")),
    expected:
      "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: what describes an input is not an object",
    real: "error: 'type' attribute to specify input scheme is required but not provided",
  },
  {
    name: "original-absent",
    damage: edited(({ nodes }) => delete (nodes["b"] as Json)["original"]),
    expected: "error: attribute 'original' missing in lock file",
  },
  {
    name: "type-absent",
    damage: edited(({ nodes }) => delete nodes["b"]!.locked["type"]),
    expected: "error: 'type' attribute to specify input scheme is required but not provided",
  },
  {
    name: "type-unknown",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["type"] = "pigeon")),
    expected:
      'error: cannot show unsupported input \'{"lastModified":1704164645,"narHash":"sha256-YzR2TwoPSARMHnqIWlcTU6oZHtZ05e0Du8rpwXybZv4=","path":"DIR/b","type":"pigeon"}\'',
    real: "error: \u001b[0mAssertion 'scheme' failed",
  },
  {
    name: "type-number",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["type"] = 1)),
    expected:
      'error: input attribute \'type\' is not a string {"lastModified":1704164645,"narHash":"sha256-YzR2TwoPSARMHnqIWlcTU6oZHtZ05e0Du8rpwXybZv4=","path":"DIR/b","type":1}',
  },
  {
    name: "path-absent",
    damage: edited(({ nodes }) => delete nodes["b"]!.locked["path"]),
    expected: "error: input attribute 'path' is missing",
  },
  {
    name: "path-number",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["path"] = 1)),
    expected:
      'error: input attribute \'path\' is not a string {"lastModified":1704164645,"narHash":"sha256-YzR2TwoPSARMHnqIWlcTU6oZHtZ05e0Du8rpwXybZv4=","path":1,"type":"path"}',
  },
  {
    name: "path-gone",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["path"] = "/nowhere/b")),
    expected: VALUE,
  },
  {
    name: "hash-malformed",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["narHash"] = "sha256-x")),
    expected: "error: invalid SRI hash 'x', length 0 != expected length 32",
  },
  {
    name: "hash-number",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["narHash"] = 1)),
    expected:
      'error: input attribute \'narHash\' is not a string {"lastModified":1704164645,"narHash":1,"path":"DIR/b","type":"path"}',
  },
  {
    name: "hash-other-kind",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["narHash"] = "md5-x")),
    expected: "error: invalid SRI hash 'x', length 0 != expected length 32",
    real: "error: invalid SRI hash 'x', length 0 != expected length 16",
  },
  {
    name: "hash-wrong",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["narHash"] = `sha256-${"A".repeat(43)}=`)),
    expected:
      "error: NAR hash mismatch in input 'path:DIR/b?lastModified=1704164645&narHash=sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D', expected 'sha256-YzR2TwoPSARMHnqIWlcTU6oZHtZ05e0Du8rpwXybZv4=' but got 'sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='",
  },
  {
    name: "time-text",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["lastModified"] = "then")),
    expected: "error: input attribute 'lastModified' is not an integer",
  },
  {
    name: "time-negative",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["lastModified"] = -1)),
    expected: "error: unsigned json number 18446744073709551615 outside of Nix integer range",
  },
  {
    name: "attribute-nested",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["x"] = { y: 1 })),
    expected: "error: unsupported input attribute type in lock file",
  },
  {
    name: "attribute-null",
    damage: edited(({ nodes }) => (nodes["b"]!.locked["x"] = null)),
    expected: "error: unsupported input attribute type in lock file",
  },
  {
    name: "flake-text",
    damage: edited(({ nodes }) => ((nodes["b"] as Json)["flake"] = "no")),
    expected: "error: lock file '/nix/store/HASH-source/flake.lock' is damaged: 'flake' is neither true nor false",
    real: "error: [json.exception.type_error.302] type must be boolean, but is string",
  },
  {
    name: "nodes-twice",
    damage: (lock) => JSON.stringify(lock).replace('"root":"root"', '"root":"root","nodes":{"root":{}}'),
  },
  {
    name: "hash-twice",
    damage: (lock) => JSON.stringify(lock).replace('"narHash":', '"narHash":"sha256-x","narHash":'),
    expected: "10",
  },
  {
    name: "git-unreachable",
    flake: input("git+file:///nowhere/repository"),
    expected:
      "error: opening Git repository \"/nowhere/repository\": cannot change to '/nowhere/repository': No such file or directory",
    real: 'error: Git repository "/nowhere/repository" does not exist.',
  },
  {
    name: "git-http-unreachable",
    flake: input("git+http://127.0.0.1:1/repository"),
    expected:
      "error: Failed to fetch git repository 'http://127.0.0.1:1/repository': unable to access 'http://127.0.0.1:1/repository/': Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server",
    real: "error: Failed to fetch git repository 'http://127.0.0.1:1/repository'",
  },
  {
    name: "http-unreachable",
    flake: input("http://127.0.0.1:1/a.tar.gz"),
    expected: "error: unable to download 'http://127.0.0.1:1/a.tar.gz': bad port",
    real: "error: unable to download 'http://127.0.0.1:1/a.tar.gz': Could not connect to server (7) Failed to connect to 127.0.0.1:1 after 0 ms: Could not connect to server)",
  },
  {
    name: "tarball-absent",
    flake: input("file:///nowhere/a.tar.gz"),
    expected: 'error: tarball "/nowhere/a.tar.gz" does not exist.',
  },
  {
    name: "path-absent-input",
    flake: input("path:/nowhere/at/all"),
    expected: "error: path '/nowhere/at/all' does not exist",
    real: "error: path '//nowhere/at/all' does not exist",
  },
  {
    name: "path-relative-absent",
    flake: input("path:./nothing"),
    expected: "error: path '/nix/store/HASH-source/nothing/flake.nix' does not exist",
  },
  {
    name: "path-above",
    flake: input("path:../../../../../../etc"),
    expected:
      "error: access to absolute path '/etc/flake.nix' is forbidden in pure evaluation mode (use '--impure' to override)",
  },
  {
    name: "path-without-flake",
    flake: input("path:DIR/empty"),
    expected: "error: Could not parse '/nix/store/HASH-source/flake.lock': Unexpected end of JSON input",
    real: "error: Could not parse '/nix/store/HASH-source/flake.lock': [json.exception.parse_error.101] parse error at line 1, column 1: attempting to parse an empty input; check that your input string or stream contains the expected JSON",
  },
  { name: "input-of-itself", flake: input("path:HERE"), expected: "error: found circular import of flake 'path:HERE'" },
  {
    name: "scheme-unknown",
    flake: input("pigeon://nowhere"),
    expected: "error: input 'pigeon://nowhere' is unsupported",
  },
  {
    name: "registry-unknown",
    flake: input("flake:nosuchflake"),
    expected: "error: cannot find flake 'flake:nosuchflake' in the flake registries",
  },
  {
    name: "follows-unknown",
    flake: '{ inputs.a.follows = "z"; outputs = { self, a }: { x = 1; }; }\n',
    expected: "error: input 'a' follows a non-existent input 'z'",
  },
  {
    name: "follows-in-a-circle",
    flake: '{ inputs.a.follows = "b"; inputs.b.follows = "a"; outputs = { self, a, b }: { x = 1; }; }\n',
    expected: "error: follow cycle detected: [b -> a -> b]",
  },
];
