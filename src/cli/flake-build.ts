/** Building an output of a flake, and the checks of one. */

import { realise } from "../build/realise.ts";
import { OperationError } from "../base/errors.ts";
import { rootOf } from "../fleet/deploy.ts";
import { evaluate, type EvaluationResult } from "../realise/evaluate.ts";
import type { FlakeRequest } from "../realise/flake/flake-request.ts";
import { instantiate } from "../realise/instantiate.ts";
import type { LocalStore } from "../store/local-store.ts";
import { evaluationServices } from "./evaluation-services.ts";
import { BuildCounts } from "../library/build-counts.ts";
import { renderCount } from "../base/quantities.ts";
import type { Session } from "./session.ts";

interface BuiltOutput {
  readonly drvPath: string;
  readonly output: string;
  readonly path: string;
}

export async function buildFlakeOutput(
  session: Session,
  flake: FlakeRequest,
  options: { readonly impure?: boolean; readonly showTrace?: boolean },
): Promise<readonly BuiltOutput[]> {
  const { services, storeRoot, store } = await evaluationServices(session, { canBuild: true });
  const result = await evaluate(
    {
      flake,
      baseDir: process.cwd(),
      pure: options.impure !== true,
      showTrace: options.showTrace ?? false,
      output: "drv",
      ...storeRoot,
    },
    session.signal,
    services,
  );
  const wanted = result.text.split("\n").filter((line) => line !== "");
  if (wanted.length === 0) {
    throw new OperationError("FLAKE_NO_DERIVATION", `'${flake.reference}' is not a derivation, nor a set of them`, {
      hint: "see what there is with 'pristine flake show'",
    });
  }
  const built = await buildDerivations(session, result, await store(), wanted);
  return wanted.map((line) => {
    const [drvPath = "", output = "out"] = line.split("!");
    return { drvPath, output, path: built.get(`${drvPath}!${output}`)! };
  });
}

/** Builds derivations of an evaluation (`DRV` or `DRV!OUTPUT`) into the store; answers the paths by `DRV!OUTPUT`. */
export async function buildDerivations(
  session: Session,
  made: EvaluationResult,
  store: LocalStore,
  drvPaths: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { observer, signal } = session;
  observer.update("build", "instantiating");
  await instantiate(made, drvPaths, store, signal);
  const display = new BuildCounts(observer);
  const roots = [...new Set(drvPaths.map((path) => path.replace(/![^!/]*$/, "")))];
  const { storeDir } = store;
  const parsed = roots.map((path) => rootOf(path, storeDir));
  const { outputs } = await realise({ store, drvPaths: parsed, signal, onEvent: (event) => display.take(event) });
  observer.done("build", renderCount(display.built, "derivation"));
  const paths = new Map<string, string>();
  parsed.forEach((drvPath, index) => {
    for (const [name, path] of outputs.get(drvPath.baseName)!) {
      paths.set(`${roots[index]!}!${name}`, path.render(storeDir));
    }
  });
  return paths;
}
