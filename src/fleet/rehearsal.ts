/** What a lab needs to know of a fleet: its name, its hosts' addresses, and the system that hosts boot before their first deployment. */

import { dirname, join, resolve } from "node:path";
import { OperationError } from "../base/errors.ts";
import { type EvaluationResult, evaluate } from "../realise/evaluate.ts";
import { exists, readTextIfPresent } from "../system/files.ts";
import { OPERATOR_KEY } from "./init.ts";
import {
  type DerivationOutput,
  fleetExpression,
  type RawOutput,
  nixDirectory,
  nixString,
  outputOf,
} from "./inventory.ts";

export interface Rehearsal {
  readonly name: string;
  readonly hosts: readonly { readonly name: string; readonly address: string | undefined }[];
  readonly bootstrap: DerivationOutput;
  readonly evaluation: EvaluationResult;
}

interface RawRehearsal {
  readonly name: string;
  readonly addresses: Readonly<Record<string, string | null>>;
  readonly bootstrap: RawOutput;
}

/** Evaluates only what is asked here: no host's system. */
export async function loadRehearsal(fleetFile: string, signal: AbortSignal): Promise<Rehearsal> {
  const file = resolve(fleetFile);
  if (!(await exists(file))) {
    throw new OperationError("FLEET_FILE_MISSING", `there is no fleet file ${fleetFile}`, {
      hint: "run 'pristine init' to make one, or name it with --fleet FILE",
    });
  }
  const expression = `
    let
      pristine = import (/. + ${nixString(nixDirectory())}) { };
      fleet = /. + ${nixString(file)};
      inventory = (pristine.evalFleet fleet).inventory;
      bootstrap = (pristine.bootstrap { lock = dirOf fleet + "/pristine.lock"; }).system;
    in {
      inherit (inventory) name;
      addresses = builtins.mapAttrs (_: host: host.networking.primaryAddress) inventory.hosts;
      bootstrap = { inherit (bootstrap) drvPath; outputPath = bootstrap.outPath; };
    }`;
  const evaluation = await evaluate({ expression, baseDir: dirname(file), output: "json", strict: true }, signal);
  const { name, addresses, bootstrap } = JSON.parse(evaluation.text) as RawRehearsal;
  const hosts = Object.entries(addresses).map(([host, address]) => ({ name: host, address: address ?? undefined }));
  return { name, hosts, bootstrap: outputOf(bootstrap), evaluation };
}

/** The name of a fleet, which is that of its lab unless another was given; undefined where there is no fleet file. */
export async function fleetNameOf(fleetFile: string, signal: AbortSignal): Promise<string | undefined> {
  if (!(await exists(fleetFile))) return undefined;
  const expression = `(${fleetExpression(fleetFile)}).inventory.name`;
  const { text } = await evaluate({ expression, baseDir: dirname(fleetFile), output: "json", strict: true }, signal);
  return JSON.parse(text) as string;
}

/** The operator's keys that a fleet brings along: `keys/operator.pub`, and its private part when it has one of its own. */
export async function operatorKeysOf(
  fleetFile: string,
): Promise<{ readonly publicKeys: readonly string[]; readonly identityFiles: readonly string[] }> {
  const key = join(dirname(resolve(fleetFile)), OPERATOR_KEY);
  const publicKeys = ((await readTextIfPresent(`${key}.pub`)) ?? "").split("\n").filter((line) => line.trim() !== "");
  return { publicKeys, identityFiles: (await exists(key)) ? [key] : [] };
}
