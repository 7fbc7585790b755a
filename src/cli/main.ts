/**
 * The `pristine` program. Only what loads after the compile cache is on profits from it, so this file is tiny and loads
 * the rest.
 */

import { enableCompileCache } from "node:module";
import { join } from "node:path";

// From a checkout's sources there is nothing worth caching.
if (import.meta.filename.endsWith(".js")) enableCompileCache(join(import.meta.dirname, "compile-cache"));

const { run } = await import("./run.ts");
await run();
