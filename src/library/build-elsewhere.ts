/** Building systems elsewhere than here: on their hosts, on other hosts of the fleet, on Nix's remote builders. */

import { systemClock } from "../base/clock.ts";
import { mapConcurrently } from "../base/concurrency.ts";
import { OperationError } from "../base/errors.ts";
import { type BuildPlace, buildThere, hostPlace } from "../fleet/builders/build-there.ts";
import { NixBuilder } from "../fleet/builders/nix-builder.ts";
import { inOrder, type NixMachine, parseMachines } from "../fleet/builders/nix-machine.ts";
import { knowsWay, sendStraight } from "../fleet/builders/send-straight.ts";
import { rootOf } from "../fleet/deploy.ts";
import type { HostSession } from "../fleet/host-session.ts";
import type { HostInventory } from "../fleet/inventory.ts";
import { NOT_REACHED } from "../fleet/outcome.ts";
import { preflightHost, requireBuildMemory } from "../fleet/preflight.ts";
import { currentSystem } from "../realise/current-system.ts";
import { instantiate } from "../realise/instantiate.ts";
import { copyClosure } from "../store/copy.ts";
import { readTextIfPresent } from "../system/files.ts";
import type { AroundBuild } from "./build-hooks.ts";
import { sessionMaker } from "./connect.ts";
import { kitOf, outputsOf, systemOf } from "./context.ts";
import type { Deployer } from "./deployer.ts";
import { CONCURRENCY_DEFAULT } from "./request.ts";

/** Where a system is built; what is wrong with the place is known before anything is built. */
export type Elsewhere =
  | { readonly kind: "itself" }
  | { readonly kind: "host"; readonly builder: string }
  | { readonly kind: "machines"; readonly machines: readonly NixMachine[] }
  | { readonly kind: "nowhere"; readonly error: OperationError };

/** Where the systems are built that are not built here, by the names of their hosts. */
export async function placesElsewhere(hosts: readonly HostInventory[]): Promise<ReadonlyMap<string, Elsewhere>> {
  const places = new Map<string, Elsewhere>();
  for (const { buildOn, buildOnTarget, builders = "", name } of hosts) {
    if (buildOnTarget === true) places.set(name, { kind: "itself" });
    else if (buildOn !== undefined) places.set(name, { kind: "host", builder: buildOn });
    else {
      try {
        const place = `deployment.builders of ${name}`;
        const machines = await parseMachines(builders, { place, system: currentSystem(), read: readTextIfPresent });
        if (machines.length > 0) places.set(name, { kind: "machines", machines });
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        places.set(name, { kind: "nowhere", error });
      }
    }
  }
  return places;
}

/**
 * Whether a host's kit is built where its system is, by another machine than the host: here there is nothing that could
 * run what it is built with. What a host builds for itself is for no other.
 */
export function isKitElsewhere({ system }: HostInventory, place: Elsewhere | undefined): boolean {
  return system !== currentSystem() && (place?.kind === "host" || place?.kind === "machines");
}

/** Builds what is built elsewhere; answers why some could not be, by the names of hosts. */
export async function buildElsewhere(
  deployer: Deployer,
  around: AroundBuild,
  places: ReadonlyMap<string, Elsewhere>,
): Promise<ReadonlyMap<string, OperationError>> {
  const { observer, signal } = deployer;
  const { context } = around;
  const hosts = around.hosts.filter(({ name }) => places.has(name));
  const drvPaths = hosts.flatMap((host) =>
    [...outputsOf(context, host), kitOf(context, host)].map(({ drvPath }) => drvPath),
  );
  await instantiate(context.inventory.evaluation, drvPaths, context.store, signal);
  const builders = new Builders(deployer, around);
  try {
    const failures = await mapConcurrently(hosts, CONCURRENCY_DEFAULT, async (host) => {
      try {
        observer.done(host.name, `has its system, ${await builders.build(host, places.get(host.name)!)}`);
        return [];
      } catch (error) {
        if (!(error instanceof OperationError) || signal.aborted) throw error;
        observer.done(host.name, "its system could not be built", "failed");
        return [[host.name, error] as const];
      }
    });
    return new Map(failures.flat());
  } finally {
    await builders.close();
  }
}

type Root = ReturnType<typeof rootOf>;

interface Wanted {
  readonly drvPath: Root;
  readonly output: Root;
}

/** Machines while they build. Each makes one system at a time, of as many derivations at once as its daemon does. */
class Builders {
  readonly #deployer: Deployer;
  readonly #around: AroundBuild;
  readonly #ready = new Map<string, Promise<HostSession>>();
  readonly #machines = new Map<string, NixBuilder>();
  readonly #turns = new Map<string, Promise<unknown>>();
  /** Systems that a machine makes or is to make. */
  readonly #loads = new Map<string, number>();

  constructor(deployer: Deployer, around: AroundBuild) {
    this.#deployer = deployer;
    this.#around = around;
  }

  /** Says where it was built. */
  async build(host: HostInventory, place: Elsewhere): Promise<string> {
    switch (place.kind) {
      case "nowhere":
        throw place.error;
      case "itself":
        return await this.#onItself(host);
      case "host":
        return await this.#onHost(host, this.#lacking(host, place), place.builder);
      case "machines":
        return await this.#onMachines(host, this.#lacking(host, place), place.machines);
    }
  }

  /** Ends what was opened for building alone. */
  async close(): Promise<void> {
    const own = [...this.#ready].filter(([name]) => !this.#around.sessions.has(name));
    const sessions = await Promise.all(own.map(([, session]) => session.catch(() => undefined)));
    for (const open of [...sessions, ...this.#machines.values()]) await open?.disconnect();
  }

  /** What is to be built for a host and is not in the local store yet. */
  #lacking(host: HostInventory, place: Elsewhere): Wanted[] {
    const { context } = this.#around;
    const { store } = context;
    const kits = isKitElsewhere(host, place) ? [kitOf(context, host)] : [];
    return [...outputsOf(context, host), ...kits]
      .map(({ drvPath, outPath }) => ({
        drvPath: rootOf(drvPath, store.storeDir),
        output: rootOf(outPath, store.storeDir),
      }))
      .filter(({ output }) => !store.isValid(output));
  }

  async #onItself(host: HostInventory): Promise<string> {
    const { context, sessions, unreached } = this.#around;
    const { name } = host;
    if (unreached.has(name))
      throw new OperationError("HOST_UNREACHABLE", `${name} is not reached, and is to build its own system`, {
        hint: "deploy again when it is back, or build its system here (deployment.buildOnTarget = false)",
        retryable: true,
      });
    const place = hostPlace(sessions.get(name)!, "deployment.buildOnTarget");
    for (const { drvPath } of outputsOf(context, host)) {
      await this.#buildAt(place, host, rootOf(drvPath, context.store.storeDir));
    }
    return "built on the host";
  }

  async #onHost(host: HostInventory, wanted: readonly Wanted[], builder: string): Promise<string> {
    if (wanted.length === 0) return "built before";
    const { context, sessions, unreached } = this.#around;
    const session = await this.#builderFor(host, builder);
    const to = sessions.get(host.name)!;
    const [{ outPath }, ...profiles] = outputsOf(context, host);
    const system = rootOf(outPath, context.store.storeDir);
    return await this.#inTurn(builder, async () => {
      const place = hostPlace(session, "deployment.buildOn");
      let isStraight = false;
      for (const { drvPath, output } of wanted) {
        await this.#buildAt(place, host, drvPath);
        // A host with profiles is copied to from one place.
        const isAll = profiles.length === 0 && output.equals(system);
        const maySend = isAll && !unreached.has(host.name) && knowsWay(session.host, host);
        if (maySend && (await this.#sendStraight(session, to))) isStraight = true;
        else await this.#bring(place, host, output);
      }
      return `built on ${builder}${isStraight ? " and sent by it" : ""}`;
    });
  }

  async #onMachines(host: HostInventory, wanted: readonly Wanted[], machines: readonly NixMachine[]): Promise<string> {
    if (wanted.length === 0) return "built before";
    const { store } = this.#around.context;
    const roots = await Promise.all(wanted.map(({ drvPath }) => store.derivation(drvPath)));
    const failures: OperationError[] = [];
    const usable = machines.filter(({ jobsMax }) => jobsMax > 0);
    for (const machine of inOrder(usable, ({ uri }) => this.#loads.get(uri) ?? 0)) {
      const { place } = this.#machine(machine);
      this.#addLoad(machine, 1);
      try {
        place.requireFit?.(roots);
        return await this.#inTurn(machine.uri, async () => {
          for (const { drvPath, output } of wanted) {
            await this.#buildAt(place, host, drvPath);
            await this.#bring(place, host, output);
          }
          return `built on ${machine.uri}`;
        });
      } catch (error) {
        if (!(error instanceof OperationError) || this.#deployer.signal.aborted) throw error;
        if (error.code !== "BUILDER_UNFIT" && !error.retryable) throw error;
        failures.push(error);
      } finally {
        this.#addLoad(machine, -1);
      }
    }
    const missed = failures.find(({ retryable }) => retryable);
    throw new OperationError(
      missed === undefined ? "BUILDER_UNFIT" : "BUILDER_UNREACHABLE",
      `no machine of deployment.builders of ${host.name} builds its system: ${failures.map(({ message }) => message).join("; ") || "none takes jobs"}`,
      {
        hint: missed?.hint ?? failures[0]?.hint ?? 'deployment.builders = "" builds it here',
        retryable: missed !== undefined,
      },
    );
  }

  #addLoad({ uri }: NixMachine, more: number): void {
    this.#loads.set(uri, (this.#loads.get(uri) ?? 0) + more);
  }

  #machine(machine: NixMachine): NixBuilder {
    // One machine may be described in several ways.
    const key = JSON.stringify(machine);
    const known = this.#machines.get(key);
    if (known !== undefined) return known;
    const { observer, ssh } = this.#deployer;
    const made = new NixBuilder(machine, {
      configFile: ssh.configFile,
      ...(observer.command && { onCommand: (remote, local) => observer.command?.(machine.uri, remote, local) }),
    });
    this.#machines.set(key, made);
    return made;
  }

  /** A host that builds for another one, once it is known to be what it is declared as. */
  async #builderFor(host: HostInventory, name: string): Promise<HostSession> {
    const { inventory } = this.#around.context;
    const builder = inventory.hosts.find((one) => one.name === name);
    const unfit = (why: string, hint: string): OperationError =>
      new OperationError("BUILDER_UNFIT", `${host.name} is to be built on ${name} (deployment.buildOn), which ${why}`, {
        hint,
      });
    if (builder === undefined) throw unfit("cannot be evaluated", `'pristine plan ${name}' says why`);
    if (builder.system !== host.system)
      throw unfit(`is of ${builder.system}, and ${host.name} of ${host.system}`, "name a host of the same platform");
    const ready = this.#ready.get(name) ?? this.#look(builder);
    this.#ready.set(name, ready);
    try {
      return await ready;
    } catch (error) {
      if (!(error instanceof OperationError) || this.#deployer.signal.aborted) throw error;
      const { code, hint, message, retryable } = error;
      throw new OperationError(
        NOT_REACHED.has(code) ? "BUILDER_UNREACHABLE" : "BUILDER_UNFIT",
        `${host.name} is to be built on ${name} (deployment.buildOn): ${message}`,
        { hint, retryable, cause: error },
      );
    }
  }

  async #look(builder: HostInventory): Promise<HostSession> {
    const { context, sessions } = this.#around;
    const { inventory, store } = context;
    const session =
      sessions.get(builder.name) ??
      (await sessionMaker(this.#deployer, { fleet: inventory.name, store }))(builder, kitOf(context, builder).outPath);
    const { signal } = this.#deployer;
    const options = { fleet: inventory.name, adopt: false, needsRoom: true, clock: systemClock, signal };
    try {
      const { probe } = await preflightHost(session, options);
      requireBuildMemory(builder, probe?.memoryKiB);
      return session;
    } catch (error) {
      if (!sessions.has(builder.name)) await session.disconnect();
      throw error;
    }
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(work);
    this.#turns.set(
      key,
      turn.catch(() => undefined),
    );
    return await turn;
  }

  async #buildAt(place: BuildPlace, host: HostInventory, drvPath: Root): Promise<void> {
    const { context } = this.#around;
    const { observer, signal } = this.#deployer;
    await buildThere(place, {
      store: context.store,
      drvPath,
      clock: systemClock,
      signal,
      onNote: (text, minor = false) => observer.update(host.name, text, { minor }),
    });
  }

  /** Takes what was built into the local store: who is named to build is trusted with it. */
  async #bring(place: BuildPlace, host: HostInventory, output: Root): Promise<void> {
    const { context } = this.#around;
    const { observer, signal } = this.#deployer;
    await copyClosure({
      from: await place.target.store(signal),
      to: context.store,
      roots: [output],
      signal,
      onProgress: ({ pathsDone, pathsTotal }) =>
        observer.update(host.name, `fetching ${pathsDone}/${pathsTotal} paths from ${place.name}`, { minor: true }),
    });
  }

  async #sendStraight(from: HostSession, to: HostSession): Promise<boolean> {
    const { context } = this.#around;
    const { observer, signal } = this.#deployer;
    const { storeDir } = context.store;
    const path = rootOf(systemOf(context, to.host).outPath, storeDir);
    return await sendStraight(
      { from, to, path },
      { storeDir, signal, onNote: (text) => observer.update(to.host.name, text) },
    );
  }
}
