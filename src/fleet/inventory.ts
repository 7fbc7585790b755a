/**
 * What a fleet file declares, as data: the hosts, how to reach them, and the derivations of their systems.
 *
 * `nix/fleet.nix` makes the inventory; this module asks the evaluator for it and checks its shape.
 */

import { dirname, resolve } from "node:path";
import { OperationError } from "../base/errors.ts";
import { type EvaluationResult, evaluate } from "../realise/evaluate.ts";
import { exists } from "../system/files.ts";

export interface SshTarget {
  /** A name or address that `ssh` understands. */
  readonly host: string;
  readonly user?: string | undefined;
  readonly port?: number | undefined;
}

/** One host as declared (`inventory.hosts.<name>` of `nix/fleet.nix`). */
export interface HostInventory {
  readonly name: string;
  readonly drvPath: string;
  readonly outPath: string;
  /** The platform, such as `x86_64-linux`. */
  readonly system: string;
  readonly tags: readonly string[];
  readonly target: SshTarget;
  readonly confirmTimeoutSeconds: number;
  readonly keepGenerations: number;
  readonly healthChecks: readonly unknown[];
  readonly primaryAddress: string | undefined;
  readonly warnings: readonly string[];
}

export interface Inventory {
  readonly name: string;
  readonly fleetFile: string;
  readonly hosts: readonly HostInventory[];
  /** The host kit by platform. */
  readonly kits: ReadonlyMap<string, DerivationOutput>;
  /** What evaluation produced: derivations and sources for the store. */
  readonly evaluation: EvaluationResult;
}

/** A derivation with its output. */
export interface DerivationOutput {
  readonly drvPath: string;
  readonly outPath: string;
}

interface RawInventory {
  readonly inventory: { readonly name: string; readonly hosts: Readonly<Record<string, RawHost>> };
  readonly kits: Readonly<Record<string, RawOutput>>;
}

/** A derivation with its output. An attribute set that has `outPath` would become that path alone in JSON. */
export interface RawOutput {
  readonly drvPath: string;
  readonly outputPath: string;
}

interface RawHost {
  readonly drvPath: string;
  readonly outputPath: string;
  readonly system: string;
  readonly deployment: {
    readonly target: { readonly host: string; readonly user: string | null; readonly port: number | null };
    readonly tags: readonly string[];
    readonly confirmTimeout: number;
    readonly keepGenerations: number;
    readonly healthChecks: readonly unknown[];
  };
  readonly networking: { readonly hostName: string; readonly primaryAddress: string | null };
  readonly warnings: readonly string[];
}

/** Where Pristine's own Nix code lies: beside `src/` and `dist/`. */
export function nixDirectory(): string {
  return resolve(import.meta.dirname, import.meta.filename.endsWith(".ts") ? "../../nix" : "../nix");
}

/** The program that hosts run, bundled by `npm ci`. */
function kitProgram(): string {
  return resolve(nixDirectory(), "../dist/kit.js");
}

/** A Nix string literal. */
export function nixString(text: string): string {
  return `"${text.replace(/["\\]|\$\{/g, "\\$&")}"`;
}

/** Evaluates a fleet file. Evaluation errors of any host fail the whole inventory, with the host's name in the trace. */
export async function loadInventory(fleetFile: string, signal: AbortSignal): Promise<Inventory> {
  const file = resolve(fleetFile);
  if (!(await exists(file))) {
    throw new OperationError("FLEET_FILE_MISSING", `there is no fleet file ${fleetFile}`, {
      hint: "run 'pristine init' to make one, or name it with --fleet FILE",
    });
  }
  const evaluation = await evaluate(
    { expression: inventoryExpression(file), baseDir: dirname(file), output: "json", strict: true },
    signal,
  );
  const raw = JSON.parse(evaluation.text) as RawInventory;
  const hosts = Object.entries(raw.inventory.hosts).map(([name, host]): HostInventory => ({
    name,
    drvPath: host.drvPath,
    outPath: host.outputPath,
    system: host.system,
    tags: host.deployment.tags,
    target: {
      host: host.deployment.target.host,
      user: host.deployment.target.user ?? undefined,
      port: host.deployment.target.port ?? undefined,
    },
    confirmTimeoutSeconds: host.deployment.confirmTimeout,
    keepGenerations: host.deployment.keepGenerations,
    healthChecks: host.deployment.healthChecks,
    primaryAddress: host.networking.primaryAddress ?? undefined,
    warnings: host.warnings,
  }));
  return {
    name: raw.inventory.name,
    fleetFile: file,
    hosts,
    kits: new Map(Object.entries(raw.kits).map(([system, kit]) => [system, outputOf(kit)])),
    evaluation,
  };
}

export function outputOf(raw: RawOutput): DerivationOutput {
  return { drvPath: raw.drvPath, outPath: raw.outputPath };
}

/** The inventory, and the derivation of the host kit for each platform in it. */
function inventoryExpression(file: string): string {
  return `
    let
      pristine = import ${nixDirectory()} { };
      fleet = /. + ${nixString(file)};
      inventory = (pristine.evalFleet fleet).inventory;
      kitOf = system: pristine.kit {
        lock = dirOf fleet + "/pristine.lock";
        kitJs = /. + ${nixString(kitProgram())};
        inherit system;
      };
      systems = builtins.attrValues (builtins.mapAttrs (_: host: host.system) inventory.hosts);
    in {
      inherit inventory;
      kits = builtins.listToAttrs (map (system: { name = system; value = { inherit (kitOf system) drvPath; outputPath = (kitOf system).outPath; }; }) systems);
    }`;
}

/** The whole evaluated fleet as an expression, for `pristine eval`. */
export function fleetExpression(fleetFile: string): string {
  return `(import ${nixDirectory()} { }).evalFleet (/. + ${nixString(resolve(fleetFile))})`;
}
