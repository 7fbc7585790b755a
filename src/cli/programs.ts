/**
 * The programs of the bundle that scripts/build.ts makes, by the name of the file that starts each. A program is loaded
 * when it is started, so everything it needs is imported dynamically here.
 */

import type { CodeGroup } from "../system/bundle.ts";

export const PROGRAMS: Readonly<Record<string, () => Promise<unknown>>> = {
  cli: async () => {
    const { run } = await import("./run.ts");
    await run();
  },
  nix: async () => {
    const { main } = await import("./compat/nix-main.ts");
    process.exitCode = await main();
  },
  "nix-store": async () => {
    const { main } = await import("./compat/nix-store-main.ts");
    process.exitCode = await main();
  },
  "nix-instantiate": async () => {
    const { main } = await import("./compat/nix-instantiate-main.ts");
    // Nothing is under way any more, and taking the process apart in good order takes longer than all that it did.
    process.exit(await main());
  },
  "evaluate-worker": () => import("../realise/evaluate-worker.ts"),
  "member-worker": () => import("../realise/members/member-worker.ts"),
  "repl-worker": () => import("../realise/repl/repl-worker.ts"),
  "shared-worker": () => import("../realise/sharing/shared-worker.ts"),
  "resident-main": () => import("../realise/resident/resident-main.ts"),
};

/** Uses what a group of programs starts with, so that it is compiled: for scripts/code-cache.ts. */
export async function warmUp(group: CodeGroup): Promise<void> {
  const warming = await import("./warm-up.ts");
  await warming.warmUp(group);
}
