/** `nix`, for scripts written for it. Tiny, so that what it loads profits from the compile cache. */

import { enableCompileCache } from "node:module";
import { join } from "node:path";

// From a checkout's sources there is nothing worth caching.
if (import.meta.filename.endsWith(".js")) enableCompileCache(join(import.meta.dirname, "compile-cache"));

const { main } = await import("./nix-main.ts");
process.exitCode = await main();
