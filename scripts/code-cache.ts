/**
 * Keeps what V8 compiles when the bundle in DIRECTORY works: `[NODE OPTIONS] scripts/code-cache.ts DIRECTORY`. The flags
 * of Node that change compiled code are to be those of the launcher (bin/start.sh).
 */

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { codeCacheFile, loadBundle } from "../src/system/bundle.ts";

const directory = resolve(process.argv[2]!);
const { programs, script } = loadBundle(directory, createRequire(directory + "/"));
await programs["warm-up"]!();
writeFileSync(codeCacheFile(directory), script.createCachedData());
