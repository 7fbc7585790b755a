/** What operations on a fleet share: it is evaluated, and the hosts are picked that are meant. */

import { relative } from "node:path";
import { invariant, OperationError } from "../base/errors.ts";
import { renderCount } from "../base/quantities.ts";
import {
  type DerivationOutput,
  type HostInventory,
  type Inventory,
  loadInventory,
  nixDirectory,
  unknownHost,
} from "../fleet/inventory.ts";
import { parsePatterns, selectHosts } from "../fleet/selection.ts";
import { movesProfiles, type WantedProfile } from "../machine/profile.ts";
import type { TransactionGoal } from "../machine/transaction.ts";
import { describeEvaluationError } from "../realise/evaluation-error-text.ts";
import type { EvalDiagnostic } from "../realise/evaluation-request.ts";
import { openLocalStore } from "../store/open-store.ts";
import type { LocalStore } from "../store/local-store.ts";
import type { Deployer } from "./deployer.ts";

export interface FleetContext {
  readonly inventory: Inventory;
  /** The hosts that are meant and that can be evaluated, in the fleet's order. */
  readonly hosts: readonly HostInventory[];
  /** Why others that are meant cannot, or have no system. */
  readonly failed: ReadonlyMap<string, OperationError>;
  readonly store: LocalStore;
}

/**
 * Evaluates the fleet file and picks hosts by names, globs and tags, all by default; with their systems where these are
 * needed. A host that is meant and cannot be evaluated ends it, unless it is to `keepGoing` with the others.
 */
export async function openContext(
  deployer: Deployer,
  wanted: {
    readonly hosts?: readonly string[] | undefined;
    readonly systems?: boolean;
    readonly keepGoing?: boolean;
  },
): Promise<FleetContext> {
  const { fleetFile, observer, signal } = deployer;
  const patterns = parsePatterns(wanted.hosts ?? []);
  const areNames = patterns.length > 0 && patterns.every((pattern) => !/[@*?]/.test(pattern));
  const systems = wanted.systems !== true ? "none" : areNames ? patterns : "all";
  const near = relative(process.cwd(), fleetFile);
  observer.update("evaluate", near.startsWith("..") ? fleetFile : near);
  const inventory = await loadInventory(fleetFile, systems, signal);
  const meant = selectHosts(withUnknown(inventory), patterns, inventory.leftOut);
  const failures = meant.flatMap(({ name }) => {
    const failure = inventory.failed.get(name);
    return failure === undefined ? [] : [[name, failure] as const];
  });
  const hosts = meant.filter(({ isUnknown }) => isUnknown !== true);
  const isEmpty = hosts.every(({ name }) => inventory.failed.has(name));
  const [first] = failures;
  if (first !== undefined && (isEmpty || wanted.keepGoing !== true)) throw first[1];
  const count = renderCount(inventory.hosts.length, "host");
  if (inventory.failed.size === 0) observer.done("evaluate", count);
  else observer.done("evaluate", `${count}; ${[...inventory.failed.keys()].join(", ")} cannot be evaluated`, "failed");
  for (const host of hosts) warnOfHost(deployer, host.name, host.warnings);
  const store = await openLocalStore(deployer.store, signal);
  const failed = new Map(failures.map(([name, failure]) => [name, evaluationFailure(failure)]));
  return { inventory, hosts, failed, store };
}

/** All hosts of the fleet by name, also those of which nothing else is known. */
export function withUnknown({ hosts, failed }: Inventory): HostInventory[] {
  const known = new Set(hosts.map(({ name }) => name));
  const unknown = [...failed.keys()].filter((name) => !known.has(name)).map(unknownHost);
  return [...hosts, ...unknown].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** An error of a host's evaluation, as what keeps one host from being deployed to. */
function evaluationFailure(diagnostic: EvalDiagnostic): OperationError {
  const { headline, details, hint } = describeEvaluationError(diagnostic.data, {
    ownDirectory: nixDirectory(),
    baseDir: process.cwd(),
  });
  return new OperationError("HOST_EVALUATION", [headline, ...details].join("\n"), { hint, cause: diagnostic });
}

/** The same hosts, with the systems of those that are named. */
export async function withSystems(
  deployer: Deployer,
  context: FleetContext,
  names: readonly string[],
): Promise<FleetContext> {
  if (names.length === 0) return context;
  const { fleetFile, observer, signal } = deployer;
  observer.update("systems", "evaluating");
  const inventory = await loadInventory(fleetFile, names, signal);
  observer.done("systems", renderCount(inventory.systems.size, "host"));
  for (const host of inventory.hosts) warnOfHost(deployer, host.name, host.warnings);
  const failed = names.flatMap((name) => {
    const failure = inventory.failed.get(name);
    return failure === undefined ? [] : [[name, evaluationFailure(failure)] as const];
  });
  return { ...context, inventory, failed: new Map([...context.failed, ...failed]) };
}

export function warnOfHost({ observer }: Deployer, name: string, warnings: readonly string[]): void {
  for (const warning of warnings) observer.warning(`${name}: ${warning}`);
}

/** The declared system of a host that was opened with its system. */
export function systemOf(context: FleetContext, host: HostInventory): DerivationOutput {
  const system = context.inventory.systems.get(host.name);
  invariant(system !== undefined, `the system of ${host.name} was not evaluated`);
  return system;
}

/** All that is made for a host: its system first, then its profiles. */
export function outputsOf(
  context: FleetContext,
  host: HostInventory,
): readonly [DerivationOutput, ...DerivationOutput[]] {
  return [systemOf(context, host), ...(context.inventory.profiles.get(host.name) ?? [])];
}

/** What a host's profiles are to be; nothing where the goal leaves them as they are. */
export function profilesOf(
  context: FleetContext,
  host: HostInventory,
  goal: TransactionGoal,
): { readonly profiles?: readonly WantedProfile[] } {
  if (host.base !== "nixos" || !movesProfiles(goal)) return {};
  const declared = context.inventory.profiles.get(host.name) ?? [];
  return { profiles: declared.map(({ name, user, link, outPath: path }) => ({ name, user, link, path })) };
}

/** Says that a goal leaves a host's profiles as they are, where it has any. */
export function whyNoProfiles(context: FleetContext, host: HostInventory, goal: TransactionGoal): readonly string[] {
  const declared = context.inventory.profiles.get(host.name) ?? [];
  if (declared.length === 0 || movesProfiles(goal)) return [];
  return [`profiles stay as they are with the goal ${goal}: ${declared.map(({ name }) => name).join(", ")}`];
}

/** The kit for a host's platform. */
export function kitOf(context: FleetContext, host: HostInventory): { drvPath: string; outPath: string } {
  const kit = context.inventory.kits.get(host.system);
  if (kit === undefined) throw new OperationError("HOST_ARCHITECTURE", `there is no host kit for ${host.system}`);
  return kit;
}

/** All hosts of the fleet when all are meant, and not a selection. */
export function wholeFleetOf({ hosts, inventory }: FleetContext): readonly HostInventory[] | undefined {
  return hosts.length === inventory.hosts.length && inventory.failed.size === 0 ? inventory.hosts : undefined;
}
