/**
 * Keeps what V8 compiles when the bundle in DIRECTORY works: `[NODE OPTIONS] scripts/code-cache.ts DIRECTORY GROUP`. The
 * options of Node that change compiled code are to be those of the launcher (bin/start.sh).
 */

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { type CodeGroup, codeCacheFile, loadBundle } from "../src/system/bundle.ts";

const directory = resolve(process.argv[2]!);
const group = process.argv[3] as CodeGroup;
const { bundle, script } = loadBundle(directory, createRequire(join(directory, "programs.cjs")));
await bundle.warmUp(group);
writeFileSync(codeCacheFile(directory, group), script.createCachedData());
