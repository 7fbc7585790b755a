/**
 * What a fleet file declares, as data: the hosts, how to reach them, and the derivations of their systems.
 *
 * `nix/fleet.nix` makes the inventory; this module asks the evaluator for it and checks its shape.
 */

import { dirname, resolve } from "node:path";
import { OperationError } from "../base/errors.ts";
import type { SystemBase } from "../machine/system-object.ts";
import type { DeployerCheck } from "../machine/health-check.ts";
import type { Hook } from "../machine/hook.ts";
import { type EvaluationResult, evaluate } from "../realise/evaluate.ts";
import type { EvalDiagnostic } from "../realise/evaluation-request.ts";
import { exists } from "../system/files.ts";
import { programFile } from "../system/program-files.ts";
import { type Failures, failuresOfHosts, HOST, NO_FAILURES, SYSTEM } from "./failing-hosts.ts";
import type { PrivilegeEscalation } from "./privilege.ts";
import type { MeshHost, MeshUser } from "./mesh.ts";
import type { FailurePolicy } from "./rollout/policy.ts";
import type { CheckBefore } from "./checks-before.ts";
import type { HostSecrets } from "./secrets/declared.ts";
import type { Upload } from "./uploads.ts";

export interface SshTarget {
  /** A name or address that `ssh` understands. */
  readonly host: string;
  /** What else the host is reached by, tried in this order when `host` does not answer. */
  readonly others?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly port?: number | undefined;
  /** Further arguments of `ssh`. */
  readonly sshOptions?: readonly string[];
  /** How `user` becomes root when it is not; sudo by default. */
  readonly privilegeEscalation?: PrivilegeEscalation | undefined;
}

/** One host as declared (`inventory.hosts.<name>` of `nix/fleet.nix`). */
export interface HostInventory {
  readonly name: string;
  /** The platform, such as `x86_64-linux`. */
  readonly system: string;
  readonly base: SystemBase;
  readonly tags: readonly string[];
  readonly wave: number;
  readonly target: SshTarget;
  readonly confirmTimeoutSeconds: number;
  readonly keepGenerations: number;
  readonly preflight: {
    /** What must stay free on the filesystem of the store. */
    readonly freeBytesMin: number;
    readonly freeInodesMin: number;
    /** How far the host's clock may be from ours without a word. */
    readonly clockSkewSecondsMax: number;
  };
  /** A file on the deployer with the key that signs what is copied to the host; `~/` is the home directory. */
  readonly signingKeyFile?: string | undefined;
  /** Whether the host's own daemon builds its system, and how much memory that takes. */
  readonly buildOnTarget?: boolean | undefined;
  readonly buildMemoryMiB?: number | undefined;
  /** The host of the fleet that builds its system, or machines of Nix's that may, as in nix.conf; `buildOnTarget` comes first. */
  readonly buildOn?: string | undefined;
  readonly builders?: string | undefined;
  /** Whether the host fetches what its substituters have, and is sent the rest only. */
  readonly substituteOnDestination?: boolean | undefined;
  readonly healthChecks: readonly unknown[];
  /** Run by the deployer, once those on the host hold; absent in what earlier versions wrote down. */
  readonly deployerChecks?: readonly DeployerCheck[];
  /** Where each check is defined, by its name. */
  readonly checkPlaces?: Readonly<Record<string, string>>;
  /** The deployer's and the host's; absent in what an earlier version wrote. */
  readonly hooks?: readonly Hook[];
  /** What must work before an activation; absent in what an earlier version wrote. */
  readonly checksBefore?: readonly CheckBefore[];
  /** Files that are put on the host over ssh; absent in what an earlier version wrote. */
  readonly uploads?: readonly Upload[];
  /** Where they come from and go to; absent in what an earlier version wrote. */
  readonly secrets?: HostSecrets;
  /** Users in meshes; absent in what an earlier version wrote. */
  readonly sshMesh?: readonly MeshUser[];
  /** What is known of it by others in its meshes; absent where it can be in none. */
  readonly sshMeshHost?: MeshHost | undefined;
  readonly primaryAddress: string | undefined;
  readonly warnings: readonly string[];
  /** Its declaration cannot be evaluated: nothing of it is known but its name, and every tag may be its. */
  readonly isUnknown?: true;
}

/** What the fleet declares of its deployments (`meta.rollout`); times in seconds. */
export interface DeclaredRollout {
  readonly waves?: readonly (string | readonly string[])[];
  readonly canaries?: number;
  readonly pause?: number;
  readonly maxFailures?: number;
  readonly parallel?: number;
  readonly pendingFor?: number;
  readonly onFailure?: FailurePolicy;
}

export interface Inventory {
  readonly name: string;
  readonly rollout: DeclaredRollout;
  /** Of the fleet as a whole. */
  readonly hooks: readonly Hook[];
  /** For whom the secrets in the repository are encrypted. */
  readonly secrets: { readonly recipients: readonly string[] };
  /** Why hosts of other tools are not among `hosts`, by their names. */
  readonly leftOut: Readonly<Record<string, string>>;
  readonly fleetFile: string;
  /** Those whose declarations can be evaluated. */
  readonly hosts: readonly HostInventory[];
  /** Why hosts have no system here, or are not among `hosts`: each one's own error. */
  readonly failed: ReadonlyMap<string, EvalDiagnostic>;
  /** The hosts' systems, of those that were asked for and can be evaluated. */
  readonly systems: ReadonlyMap<string, DerivationOutput>;
  /** The profiles beside the system's of those hosts that have any, in the order of their activation. */
  readonly profiles: ReadonlyMap<string, readonly DeclaredProfile[]>;
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

/** `deployment.profiles`, as the deployer gets it. */
export interface DeclaredProfile extends DerivationOutput {
  readonly name: string;
  readonly user: string;
  readonly link: string | null;
}

/** What concerns the whole fleet, and each host as `host-NAME`. */
interface RawInventory {
  readonly fleet: Pick<Inventory, "name" | "rollout" | "hooks" | "secrets" | "leftOut">;
  readonly [host: `host-${string}`]: RawHost;
}

/** A derivation with its output. An attribute set that has `outPath` would become that path alone in JSON. */
export interface RawOutput {
  readonly drvPath: string;
  readonly outputPath: string;
}

interface RawHost {
  readonly system: string;
  readonly base: SystemBase;
  readonly deployment: {
    readonly target: {
      readonly hosts: readonly [string, ...string[]];
      readonly user: string | null;
      readonly port: number | null;
      readonly sshOptions: readonly string[];
      readonly privilegeEscalation: PrivilegeEscalation;
    };
    readonly tags: readonly string[];
    readonly wave: number;
    readonly confirmTimeout: number;
    readonly keepGenerations: number;
    readonly preflight: { readonly freeMiB: number; readonly freeInodes: number; readonly clockSeconds: number };
    readonly signingKeyFile: string | null;
    readonly buildOnTarget: boolean;
    readonly buildMemoryMiB: number;
    readonly buildOn: string | null;
    readonly builders: string;
    readonly substituteOnDestination: boolean;
    readonly healthChecks: readonly unknown[];
    readonly deployerChecks: readonly DeployerCheck[];
    readonly checkPlaces: Readonly<Record<string, string>>;
    readonly hooks: readonly Hook[];
    readonly checksBefore: readonly CheckBefore[];
    readonly uploads: readonly Upload[];
  };
  readonly secrets: HostSecrets;
  readonly sshMesh: readonly MeshUser[];
  readonly sshMeshHost: MeshHost | null;
  readonly networking: { readonly hostName: string; readonly primaryAddress: string | null };
  readonly warnings: readonly string[];
  /** Of hosts whose systems are wanted. */
  readonly output?: RawOutput;
  readonly profiles?: readonly (RawOutput & Pick<DeclaredProfile, "name" | "user" | "link">)[];
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

/** Says what to do about a fleet file that is not there. */
export async function requireFleetFile(fleetFile: string): Promise<void> {
  if (await exists(resolve(fleetFile))) return;
  throw new OperationError("FLEET_FILE_MISSING", `there is no fleet file ${fleetFile}`, {
    hint: "run 'pristine init' to make one, or name it with --fleet FILE",
  });
}

/**
 * Evaluates a fleet file. What is wrong with the fleet rejects, and so does what is wrong with every host; what is wrong
 * with some hosts is theirs, and they are left out.
 */
export async function loadInventory(
  fleetFile: string,
  systems: SystemsWanted,
  signal: AbortSignal,
): Promise<Inventory> {
  const file = resolve(fleetFile);
  await requireFleetFile(fleetFile);
  const baseDir = dirname(file);
  const ask = async (expression: string, perMember: boolean): Promise<EvaluationResult> =>
    await evaluate({ expression, baseDir, output: "json", strict: true, perMember }, signal);
  let failures = NO_FAILURES;
  let evaluation: EvaluationResult;
  try {
    evaluation = await ask(inventoryExpression(file, systems), true);
  } catch (error) {
    failures = await failuresOfHosts({ expression: diagnosisExpression(file, systems), baseDir }, error, signal);
    evaluation = await ask(inventoryExpression(file, systems, failures), true);
  }
  const { fleet, ...members } = JSON.parse(evaluation.text) as RawInventory;
  const outputs = new Map<string, DerivationOutput>();
  const profiles = new Map<string, readonly DeclaredProfile[]>();
  const hosts: HostInventory[] = [];
  for (const [member, host] of Object.entries<RawHost>(members)) {
    const name = member.slice(HOST.length);
    if (host.output !== undefined) outputs.set(name, outputOf(host.output));
    if (host.profiles !== undefined && host.profiles.length > 0) {
      profiles.set(
        name,
        host.profiles.map((profile) => {
          const { link, name: called, user } = profile;
          return { ...outputOf(profile), name: called, user, link };
        }),
      );
    }
    hosts.push(hostOf(name, host));
  }
  const platforms = [...new Set(hosts.map(({ system }) => system))];
  const kits = await ask(kitsExpression(file, platforms), false);
  return {
    ...fleet,
    fleetFile: file,
    hosts,
    failed: new Map([...failures.declarations, ...failures.systems]),
    systems: outputs,
    profiles,
    kits: new Map(
      Object.entries(JSON.parse(kits.text) as Readonly<Record<string, RawOutput>>).map(([system, kit]) => [
        system,
        outputOf(kit),
      ]),
    ),
    evaluation: joined(evaluation, kits),
  };
}

function hostOf(name: string, host: RawHost): HostInventory {
  const { preflight, target } = host.deployment;
  const [first, ...others] = target.hosts;
  return {
    name,
    system: host.system,
    base: host.base,
    tags: host.deployment.tags,
    wave: host.deployment.wave,
    target: {
      host: first,
      others,
      user: target.user ?? undefined,
      port: target.port ?? undefined,
      ...(target.sshOptions.length === 0 ? {} : { sshOptions: target.sshOptions }),
      privilegeEscalation: target.privilegeEscalation,
    },
    confirmTimeoutSeconds: host.deployment.confirmTimeout,
    keepGenerations: host.deployment.keepGenerations,
    preflight: {
      freeBytesMin: preflight.freeMiB * 1024 * 1024,
      freeInodesMin: preflight.freeInodes,
      clockSkewSecondsMax: preflight.clockSeconds,
    },
    signingKeyFile: host.deployment.signingKeyFile ?? undefined,
    buildOnTarget: host.deployment.buildOnTarget,
    buildMemoryMiB: host.deployment.buildMemoryMiB,
    buildOn: host.deployment.buildOn ?? undefined,
    builders: host.deployment.builders,
    substituteOnDestination: host.deployment.substituteOnDestination,
    healthChecks: host.deployment.healthChecks,
    deployerChecks: host.deployment.deployerChecks,
    checkPlaces: host.deployment.checkPlaces,
    hooks: host.deployment.hooks,
    checksBefore: host.deployment.checksBefore,
    uploads: host.deployment.uploads,
    secrets: host.secrets,
    sshMesh: host.sshMesh,
    sshMeshHost: host.sshMeshHost ?? undefined,
    primaryAddress: host.networking.primaryAddress ?? undefined,
    warnings: host.warnings,
  };
}

/** Stands for a host whose declaration cannot be evaluated. */
export function unknownHost(name: string): HostInventory {
  return {
    name,
    isUnknown: true,
    system: "",
    base: "debian",
    tags: [],
    wave: 0,
    target: { host: name },
    confirmTimeoutSeconds: 0,
    keepGenerations: 0,
    preflight: { freeBytesMin: 0, freeInodesMin: 0, clockSkewSecondsMax: 0 },
    healthChecks: [],
    primaryAddress: undefined,
    warnings: [],
  };
}

/** What two evaluations made, which either of them may have to make again. */
function joined(one: EvaluationResult, other: EvaluationResult): EvaluationResult {
  const isRemembered = one.evaluateAgain !== undefined || other.evaluateAgain !== undefined;
  return {
    ...one,
    derivations: new Map([...one.derivations, ...other.derivations]),
    sources: new Map([...one.sources, ...other.sources]),
    ...(isRemembered
      ? {
          evaluateAgain: async (signal) =>
            joined((await one.evaluateAgain?.(signal)) ?? one, (await other.evaluateAgain?.(signal)) ?? other),
        }
      : {}),
  };
}

export function outputOf(raw: RawOutput): DerivationOutput {
  return { drvPath: raw.drvPath, outPath: raw.outputPath };
}

/** The fleet, and each host by itself, so that a change costs the hosts that saw it. */
export function inventoryExpression(file: string, systems: SystemsWanted, failures: Failures = NO_FAILURES): string {
  const without = nixNames(failures.declarations.keys());
  return `${openedFleet(file, systems)}
      hosts = ${failures.declarations.size === 0 ? "fleet.inventory.hosts" : `fleet.hostsWithout ${without}`};
      isMade = name: isWanted name && !builtins.elem name ${nixNames(failures.systems.keys())};
      hostOf = name: declared hosts.\${name} // (if isMade name then made hosts.\${name} else { warnings = [ ]; });
    in
    { fleet = common; } // members "${HOST}" hostOf (builtins.attrNames hosts)`;
}

/** The fleet and, each by itself, what hosts declare and their systems, whatever is wrong between the hosts. */
function diagnosisExpression(file: string, systems: SystemsWanted): string {
  return `${openedFleet(file, systems)}
      hosts = fleet.inventoryOf;
      names = builtins.attrNames hosts;
    in
    { fleet = common; }
    // members "${HOST}" (name: declared hosts.\${name}) names
    // members "${SYSTEM}" (name: made hosts.\${name}) (builtins.filter isWanted names)`;
}

/** The beginning of an expression: a fleet, and what is asked of its hosts. */
function openedFleet(file: string, systems: SystemsWanted): string {
  const isWanted =
    systems === "all" ? "_: true" : `name: builtins.elem name ${nixNames(systems === "none" ? [] : systems)}`;
  return `
    let
      pristine = import (/. + ${nixString(nixDirectory())}) { };
      fleet = pristine.evalFleet (/. + ${nixString(file)});
      common = { inherit (fleet.inventory) name rollout hooks secrets leftOut; };
      isWanted = ${isWanted};
      declared = host: { inherit (host) system base deployment networking secrets sshMesh sshMeshHost; };
      made = host: { inherit (host) profiles warnings; output = { inherit (host) drvPath outputPath; }; };
      members = kind: of: names:
        builtins.listToAttrs (map (name: { name = kind + name; value = of name; }) names);`;
}

function nixNames(names: Iterable<string>): string {
  return `[ ${[...names].map(nixString).join(" ")} ]`;
}

/** The host kit for each platform. */
function kitsExpression(file: string, platforms: readonly string[]): string {
  return `
    let
      pristine = import (/. + ${nixString(nixDirectory())}) { };
      kitOf = system: pristine.kit {
        lock = dirOf (/. + ${nixString(file)}) + "/pristine.lock";
        kitJs = /. + ${nixString(kitProgram())};
        inherit system;
      };
      outputOf = kit: { inherit (kit) drvPath; outputPath = kit.outPath; };
    in
    builtins.listToAttrs (map (name: { inherit name; value = outputOf (kitOf name); }) [ ${platforms.map(nixString).join(" ")} ])`;
}

/** The whole evaluated fleet as an expression, for `pristine eval`. */
export function fleetExpression(fleetFile: string): string {
  return `(import (/. + ${nixString(nixDirectory())}) { }).evalFleet (/. + ${nixString(resolve(fleetFile))})`;
}
