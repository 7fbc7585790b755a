/** What the fleet commands share: evaluate, select, build, connect. */

import { dirname, join } from "node:path";
import { invariant, OperationError } from "../base/errors.ts";
import { renderArgv } from "../base/shell-words.ts";
import { realiseWhatCan } from "../build/realise.ts";
import {
  type DerivationOutput,
  type HostInventory,
  type Inventory,
  loadInventory,
  nixDirectory,
  unknownHost,
} from "../fleet/inventory.ts";
import { HostSession } from "../fleet/host-session.ts";
import { OPERATOR_KEY } from "../fleet/init.ts";
import { parsePatterns, selectHosts } from "../fleet/selection.ts";
import { rootOf } from "../fleet/deploy.ts";
import { exists } from "../system/files.ts";
import { labSshConfig } from "../lab/ssh-config.ts";
import type { EvalDiagnostic } from "../realise/evaluation-request.ts";
import { instantiate } from "../realise/instantiate.ts";
import { openLocalStore } from "../store/open-store.ts";
import type { LocalStore } from "../store/local-store.ts";
import { BuildDisplay } from "./render/build.ts";
import { describeEvaluationError } from "./render/evaluation.ts";
import { safeText } from "./render/safe-text.ts";
import { renderBytes, renderCount } from "./render/table.ts";
import type { Session } from "./session.ts";

export interface FleetContext {
  readonly inventory: Inventory;
  /** The hosts that the command means and that can be evaluated, in the fleet's order. */
  readonly hosts: readonly HostInventory[];
  /** Why others that it means cannot, or have no system. */
  readonly failed: ReadonlyMap<string, OperationError>;
  readonly store: LocalStore;
}

/**
 * Evaluates the fleet file and picks hosts by names, globs and tags; with their systems where these are needed. A host
 * that is meant and cannot be evaluated ends it, unless it is to `keepGoing` with the others.
 */
export async function openFleet(
  session: Session,
  names: readonly string[],
  options: {
    readonly on?: readonly string[] | undefined;
    readonly systems?: boolean;
    readonly keepGoing?: boolean;
  } = {},
): Promise<FleetContext> {
  const { progress, signal } = session;
  const patterns = parsePatterns([...names, ...(options.on ?? [])]);
  const areNames = patterns.length > 0 && patterns.every((pattern) => !/[@*?]/.test(pattern));
  const wanted = options.systems !== true ? "none" : areNames ? patterns : "all";
  progress.update("evaluate", session.options.fleet);
  const inventory = await loadInventory(session.fleetFile, wanted, signal);
  const meant = selectHosts(withUnknown(inventory), patterns);
  const failures = meant.flatMap(({ name }) => {
    const failure = inventory.failed.get(name);
    return failure === undefined ? [] : [[name, failure] as const];
  });
  const hosts = meant.filter(({ isUnknown }) => isUnknown !== true);
  const isEmpty = hosts.every(({ name }) => inventory.failed.has(name));
  const [first] = failures;
  if (first !== undefined && (isEmpty || options.keepGoing !== true)) throw first[1];
  const count = renderCount(inventory.hosts.length, "host");
  if (inventory.failed.size === 0) progress.done("evaluate", count);
  else progress.done("evaluate", `${count}; ${[...inventory.failed.keys()].join(", ")} cannot be evaluated`, "failed");
  for (const host of hosts) warnOfHost(session, host.name, host.warnings);
  const store = await openLocalStore(session.options.store, signal);
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
  session: Session,
  context: FleetContext,
  names: readonly string[],
): Promise<FleetContext> {
  if (names.length === 0) return context;
  const { progress, signal } = session;
  progress.update("systems", "evaluating");
  const inventory = await loadInventory(session.fleetFile, names, signal);
  progress.done("systems", renderCount(inventory.systems.size, "host"));
  for (const host of inventory.hosts) warnOfHost(session, host.name, host.warnings);
  const failed = names.flatMap((name) => {
    const failure = inventory.failed.get(name);
    return failure === undefined ? [] : [[name, evaluationFailure(failure)] as const];
  });
  return { ...context, inventory, failed: new Map([...context.failed, ...failed]) };
}

export function warnOfHost(session: Session, name: string, warnings: readonly string[]): void {
  const label = session.terminal.colors.yellow("warning:");
  for (const warning of warnings) session.progress.line(`${label} ${name}: ${safeText(warning)}`);
}

/** Builds derivations of the evaluation into the local store; the first failure ends it all and is thrown. */
export async function build(session: Session, context: FleetContext, drvPaths: readonly string[]): Promise<void> {
  await buildEach(session, context, drvPaths, { keepGoing: false });
}

/** Builds what can be built of them; answers why others could not be, by derivation. */
export async function buildEach(
  session: Session,
  context: FleetContext,
  drvPaths: readonly string[],
  { keepGoing }: { readonly keepGoing: boolean } = { keepGoing: true },
): Promise<ReadonlyMap<string, Error>> {
  const { progress, signal } = session;
  const wanted = [...new Set(drvPaths)];
  progress.update("build", "instantiating");
  await instantiate(context.inventory.evaluation, wanted, context.store, signal);
  const display = new BuildDisplay(progress);
  const roots = new Map(wanted.map((path) => [path, rootOf(path, context.store.storeDir)]));
  const { failures } = await realiseWhatCan({
    store: context.store,
    drvPaths: [...roots.values()],
    keepGoing,
    signal,
    onEvent: (event) => display.show(event),
  });
  const done =
    display.built + display.fetched === 0
      ? "everything is in the store"
      : `${renderCount(display.built, "derivation")} built, ${renderCount(display.fetched, "file")} fetched (${renderBytes(display.fetchedBytes)})`;
  progress.done("build", done, failures.size === 0 ? "ok" : "failed");
  return new Map(
    [...roots].flatMap(([path, { baseName }]) => {
      const failure = failures.get(baseName);
      return failure === undefined ? [] : [[path, failure]];
    }),
  );
}

/** Builds the host kit for every platform among the hosts. */
export async function buildKits(session: Session, context: FleetContext): Promise<void> {
  await build(
    session,
    context,
    context.hosts.map((host) => kitOf(context, host).drvPath),
  );
}

/** The declared system of a host that was opened with its system. */
export function systemOf(context: FleetContext, host: HostInventory): DerivationOutput {
  const system = context.inventory.systems.get(host.name);
  invariant(system !== undefined, `the system of ${host.name} was not evaluated`);
  return system;
}

/** The kit for a host's platform. */
export function kitOf(context: FleetContext, host: HostInventory): { drvPath: string; outPath: string } {
  const kit = context.inventory.kits.get(host.system);
  if (kit === undefined) throw new OperationError("HOST_ARCHITECTURE", `there is no host kit for ${host.system}`);
  return kit;
}

/** Opens a session per host, runs `use`, and closes the connections whatever happens. */
export async function withSessions<T>(
  session: Session,
  context: FleetContext,
  use: (sessions: ReadonlyMap<string, HostSession>) => Promise<T>,
): Promise<T> {
  const { inventory, store } = context;
  const hosts = context.hosts.map((host) => ({ host, kit: kitOf(context, host).outPath }));
  return await withSessionsTo(session, { fleet: inventory.name, store, hosts }, use);
}

/** Shows a command, and where it runs. */
export function showCommand({ progress, terminal }: Session, where: string, argv: readonly string[]): void {
  progress.line(terminal.colors.dim(`${where} + ${safeText(renderArgv(argv) || "(a shell)")}`));
}

/** The same for hosts that are known without evaluating the fleet. */
export async function withSessionsTo<T>(
  session: Session,
  wanted: {
    readonly fleet: string;
    readonly store: LocalStore;
    /** With the full store path of each host's kit; without one there is no session. */
    readonly hosts: readonly { readonly host: HostInventory; readonly kit?: string }[];
  },
  use: (sessions: ReadonlyMap<string, HostSession>) => Promise<T>,
): Promise<T> {
  const { options } = session;
  const { store } = wanted;
  const configFile =
    options.lab || options.labName !== undefined
      ? await labSshConfig(options.labName ?? wanted.fleet)
      : options.sshConfig;
  const ownKey = join(dirname(session.fleetFile), OPERATOR_KEY);
  const identityFile = (await exists(ownKey)) ? ownKey : undefined;
  const sessions = new Map(
    wanted.hosts.flatMap(({ host, kit }) => {
      if (kit === undefined) return [];
      // In a lab, hosts are known to ssh by their names.
      const target =
        configFile !== undefined && configFile !== options.sshConfig ? { host: host.name, user: "root" } : host.target;
      // What runs on the host is what one wants to know; how it gets there is the same each time.
      const onCommand = (remote: readonly string[], local: readonly string[]): void => {
        showCommand(session, host.name, options.verbose ? local : remote);
      };
      const onOwnCommand = (argv: readonly string[]): void => showCommand(session, `${host.name} (deployer)`, argv);
      const kitPath = rootOf(kit, store.storeDir);
      const opened = new HostSession(
        { ...host, target },
        {
          ssh: {
            configFile,
            identityFile,
            sudoPassword: session.sudoPassword,
            ...(options.showCommands ? { onCommand } : {}),
          },
          localStore: store,
          kitPath,
          ...(options.showCommands ? { onOwnCommand } : {}),
        },
      );
      return [[host.name, opened] as const];
    }),
  );
  try {
    return await use(sessions);
  } finally {
    await Promise.all([...sessions.values()].map((open) => open.disconnect()));
  }
}
