/**
 * What a fleet file declares, as data: the hosts, how to reach them, and the derivations of their systems.
 *
 * `nix/fleet.nix` makes the inventory; this module asks the evaluator for it and checks its shape.
 */

import { dirname, resolve } from "node:path";
import { OperationError } from "../base/errors.ts";
import { type EvaluationResult, evaluate } from "../realise/evaluate.ts";
import { exists } from "../system/files.ts";
import { programFile } from "../system/program-files.ts";

export interface SshTarget {
  /** A name or address that `ssh` understands. */
  readonly host: string;
  readonly user?: string | undefined;
  readonly port?: number | undefined;
}

/** One host as declared (`inventory.hosts.<name>` of `nix/fleet.nix`). */
export interface HostInventory {
  readonly name: string;
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
  /** The hosts' systems, of those that were asked for. */
  readonly systems: ReadonlyMap<string, DerivationOutput>;
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
  readonly name: string;
  readonly hosts: Readonly<Record<string, RawHost>>;
  readonly systems: Readonly<Record<string, RawOutput>>;
  readonly kits: Readonly<Record<string, RawOutput>>;
}

/** A derivation with its output. An attribute set that has `outPath` would become that path alone in JSON. */
export interface RawOutput {
  readonly drvPath: string;
  readonly outputPath: string;
}

interface RawHost {
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
  return programFile("nix");
}

/** The program that hosts run, bundled by `npm ci`. */
function kitProgram(): string {
  return programFile("dist/kit.js");
}

/** A Nix string literal. */
export function nixString(text: string): string {
  return `"${text.replace(/["\\]|\$\{/g, "\\$&")}"`;
}

/** Whose systems an inventory is to have; evaluating a system takes far longer than the rest. */
export type SystemsWanted = "none" | "all" | readonly string[];

/** Evaluates a fleet file. An evaluation error of any wanted host fails the whole, with the host's name in the trace. */
export async function loadInventory(
  fleetFile: string,
  systems: SystemsWanted,
  signal: AbortSignal,
): Promise<Inventory> {
  const file = resolve(fleetFile);
  if (!(await exists(file))) {
    throw new OperationError("FLEET_FILE_MISSING", `there is no fleet file ${fleetFile}`, {
      hint: "run 'pristine init' to make one, or name it with --fleet FILE",
    });
  }
  const evaluation = await evaluate(
    { expression: inventoryExpression(file, systems), baseDir: dirname(file), output: "json", strict: true },
    signal,
  );
  const raw = JSON.parse(evaluation.text) as RawInventory;
  const hosts = Object.entries(raw.hosts).map(([name, host]): HostInventory => ({
    name,
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
    name: raw.name,
    fleetFile: file,
    hosts,
    systems: new Map(Object.entries(raw.systems).map(([name, system]) => [name, outputOf(system)])),
    kits: new Map(Object.entries(raw.kits).map(([system, kit]) => [system, outputOf(kit)])),
    evaluation,
  };
}

export function outputOf(raw: RawOutput): DerivationOutput {
  return { drvPath: raw.drvPath, outPath: raw.outputPath };
}

/** The hosts, the systems of those wanted, and the host kit for each platform among the hosts. */
function inventoryExpression(file: string, systems: SystemsWanted): string {
  const wanted =
    systems === "all"
      ? "_: true"
      : `name: builtins.elem name [ ${systems === "none" ? "" : systems.map(nixString).join(" ")} ]`;
  return `
    let
      pristine = import (/. + ${nixString(nixDirectory())}) { };
      fleet = /. + ${nixString(file)};
      inherit ((pristine.evalFleet fleet).inventory) name hosts;
      isWanted = ${wanted};
      wanted = builtins.filter isWanted (builtins.attrNames hosts);
      kitOf = system: pristine.kit {
        lock = dirOf fleet + "/pristine.lock";
        kitJs = /. + ${nixString(kitProgram())};
        inherit system;
      };
      outputOf = name: derivation: { inherit name; value = { inherit (derivation) drvPath; outputPath = derivation.outPath; }; };
      platforms = builtins.attrValues (builtins.mapAttrs (_: host: host.system) hosts);
    in {
      inherit name;
      hosts = builtins.mapAttrs (name: host: {
        inherit (host) system deployment networking;
        warnings = if isWanted name then host.warnings else [ ];
      }) hosts;
      systems = builtins.listToAttrs (map (name: { inherit name; value = { inherit (hosts.\${name}) drvPath outputPath; }; }) wanted);
      kits = builtins.listToAttrs (map (system: outputOf system (kitOf system)) platforms);
    }`;
}

/** The whole evaluated fleet as an expression, for `pristine eval`. */
export function fleetExpression(fleetFile: string): string {
  return `(import (/. + ${nixString(nixDirectory())}) { }).evalFleet (/. + ${nixString(resolve(fleetFile))})`;
}
