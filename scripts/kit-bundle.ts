/** Bundles the part of the program that QuickJS runs on hosts. */

import { join } from "node:path";
import { build } from "esbuild";

/** No source map and no minification: what runs on hosts can be read there. */
export async function bundleKit(
  outfile: string,
  options: { readonly version: string; readonly hasFaultPoints: boolean },
): Promise<void> {
  await build({
    absWorkingDir: join(import.meta.dirname, ".."),
    entryPoints: ["src/kit/main.ts"],
    outfile,
    allowOverwrite: true,
    bundle: true,
    format: "esm",
    platform: "neutral",
    target: "es2023",
    alias: { "quickjs:std": "std", "quickjs:os": "os" },
    external: ["std", "os"],
    define: {
      PRISTINE_VERSION: JSON.stringify(options.version),
      PRISTINE_FAULT_POINTS: JSON.stringify(options.hasFaultPoints),
    },
    legalComments: "none",
    logLevel: "warning",
  });
}
