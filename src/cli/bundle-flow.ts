/** Making bundles and reading what hosts have answered to them. */

import { OperationError } from "../base/errors.ts";
import { baseOfFacts, baseOfReceipt, readHostKey, readReceipt, requireSigned } from "../fleet/bundle/receipt.ts";
import { type BundleBase, requireBase, writeBundle } from "../fleet/bundle/write-bundle.ts";
import { INSTALLED_KIT } from "../fleet/host-kit.ts";
import type { HostInventory } from "../fleet/inventory.ts";
import { healthChecksOf, planHash, requireHooks, systemObject } from "../fleet/plan.ts";
import { requireGoal } from "../fleet/preflight.ts";
import { requirePossible } from "../fleet/possible-checks.ts";
import { newRolloutId, transactionPlan } from "../fleet/rollout/rollout-record.ts";
import { requireSecretUnits } from "../fleet/secrets/units.ts";
import { signingKeyOf } from "../fleet/signing-key.ts";
import type { TransactionPlan } from "../machine/transaction.ts";
import { exists, readTextIfPresent, sizeOfFile } from "../system/files.ts";
import { run } from "../system/process.ts";
import type { BundleFlags } from "./commands/bundle.ts";
import { EXIT } from "./exit-codes.ts";
import { build } from "../library/build.ts";
import {
  type FleetContext,
  kitOf,
  openContext,
  outputsOf,
  profilesOf,
  systemOf,
  warnOfHost,
  whyNoProfiles,
} from "../library/context.ts";
import { thisOperator } from "../library/rollout.ts";
import { timeSpanOf, wholeNumberOf } from "./option-values.ts";
import { safeText } from "../base/safe-text.ts";
import { renderBytes, renderCount } from "../base/quantities.ts";
import type { Session } from "./session.ts";

export async function makeBundle(session: Session, name: string, flags: BundleFlags): Promise<number> {
  const { progress, signal, terminal } = session;
  if (flags.base !== undefined && flags.from !== undefined) {
    throw new OperationError("USAGE", "--base and --from both say what the host runs: give one of them");
  }
  const validSeconds = timeSpanOf("--valid-for", flags.validFor, VALID_DAYS_MAX);
  const context = await openContext(session, { hosts: [name], systems: true });
  const [host, ...others] = context.hosts;
  if (host === undefined || others.length > 0)
    throw new OperationError("USAGE", `'${name}' names several hosts; a bundle is for one`);
  requireGoal(host, flags.goal);
  const key = await signingKeyOf(host);
  if (key === undefined) {
    throw new OperationError("SIGNING_KEY", `${host.name} declares no key that signs what goes to it`, {
      hint: "set deployment.signingKeyFile, and nix.settings.trusted-public-keys to its public part, and deploy once",
    });
  }
  const base = await baseOf(session, host, flags);
  if (base !== undefined) await requireBase(base, context.store, signal);
  warn(session, host);
  warnOfHost(session, host.name, whyNoProfiles(context, host, flags.goal));
  const made = [...outputsOf(context, host), kitOf(context, host)];
  await build(
    session,
    context,
    made.map(({ drvPath }) => drvPath),
  );
  const madeAt = new Date();
  const manifest = await writeBundle(flags.output, {
    fleet: context.inventory.name,
    plan: await planFor(session, { context, host, base, madeAt }, flags),
    kit: kitOf(context, host).outPath,
    hostKey: host.secrets?.hostKey ?? null,
    base,
    key,
    madeAt,
    validSeconds,
    store: context.store,
    signal,
    onProgress: ({ bytesDone, bytesTotal }) =>
      progress.update("bundle", `${renderBytes(bytesDone)} of ${renderBytes(bytesTotal)}`),
  });
  const bytes = await sizeOfFile(flags.output);
  const { paths, id, expiresAt } = manifest;
  progress.done("bundle", `${renderCount(paths.length, "path")}, ${renderBytes(bytes)} in ${flags.output}`);
  if (session.options.json) {
    const { payload: _payload, ...told } = manifest;
    terminal.out(JSON.stringify({ file: flags.output, bytes, ...told }));
    return EXIT.ok;
  }
  terminal.out(`${flags.output}: bundle ${id} for ${host.name}, signed by ${key.name}, good until ${expiresAt}`);
  terminal.out(`on the host, as root: ${INSTALLED_KIT}/bin/pristine-kit apply FILE`);
  return EXIT.ok;
}

/** What the host runs, as the command line has it. */
async function baseOf(session: Session, host: HostInventory, flags: BundleFlags): Promise<BundleBase | undefined> {
  if (flags.base !== undefined) return { system: flags.base };
  if (flags.from === undefined) return undefined;
  const text = await readTextIfPresent(flags.from);
  if (text?.startsWith("pristine-receipt") !== true) return baseOfFacts(flags.from, text);
  const receipt = await readReceipt(flags.from);
  if (receipt.value.host !== host.name) {
    throw new OperationError(
      "RECEIPT_INVALID",
      `${flags.from} is a receipt of ${receipt.value.host}, not of ${host.name}`,
    );
  }
  const hostKey = host.secrets?.hostKey ?? undefined;
  if (hostKey === undefined) {
    warnOfHost(session, host.name, [`nobody knows its ssh key: that ${flags.from} is its receipt was not checked`]);
  } else await requireSigned(flags.from, receipt, { hostKey, signal: session.signal });
  return baseOfReceipt(receipt.value);
}

/** What a deployment would have done from here. */
function warn(session: Session, host: HostInventory): void {
  const checks = (host.deployerChecks ?? []).map((check) => check.name);
  const hooks = (host.hooks ?? []).filter(({ on }) => on === "deployer").map((hook) => hook.name);
  const uploads = (host.uploads ?? []).map(({ name }) => name);
  const told = [
    ...(checks.length === 0 ? [] : [`checks of the deployer's do not run: ${checks.join(", ")}`]),
    ...(hooks.length === 0 ? [] : [`hooks of the deployer's do not run: ${hooks.join(", ")}`]),
    ...(uploads.length === 0 ? [] : [`uploads are not in it: ${uploads.join(", ")}`]),
  ];
  warnOfHost(session, host.name, told);
}

/** The plan, after what could never hold on the host was refused. */
async function planFor(
  { signal }: Session,
  made: {
    readonly context: FleetContext;
    readonly host: HostInventory;
    readonly base: BundleBase | undefined;
    readonly madeAt: Date;
  },
  flags: BundleFlags,
): Promise<TransactionPlan> {
  const { context, base, madeAt } = made;
  const { inventory, store } = context;
  const seconds = flags.confirmTimeout;
  const host =
    seconds === undefined
      ? made.host
      : {
          ...made.host,
          confirmTimeoutSeconds: wholeNumberOf("--confirm-timeout", seconds, { min: 5, unit: "seconds" }),
        };
  const system = systemOf(context, host).outPath;
  const look = { localStore: store, signal };
  const wanted = await systemObject(system, store, look);
  const old = base === undefined ? undefined : await systemObject(base.system, store, look);
  const healthChecks = healthChecksOf(wanted, host);
  const hooks = wanted.meta?.hooks ?? [];
  await requirePossible({ ...host, deployerChecks: [] }, { system: wanted, healthChecks });
  requireSecretUnits(host, wanted);
  requireHooks(host, hooks, { old, wanted });
  const previous = base === undefined ? {} : { previous: base.system };
  const generation = base?.generation === undefined ? {} : { generation: base.generation };
  const profiles = profilesOf(context, host, flags.goal);
  // Its name leaves room for the number of a second try.
  const id = `${newRolloutId(madeAt)}-${host.name}`.slice(0, BUNDLE_ID_CHARS_MAX);
  return {
    ...transactionPlan(
      { host, system, ...previous, ...generation, ...profiles, healthChecks, hooks },
      {
        id,
        goal: flags.goal,
        planHash: planHash(flags.goal, [{ host, system, ...previous, ...profiles }], inventory.hooks),
        operator: thisOperator(),
        reason: "bundle",
        ignoreInhibitors: flags.ignoreInhibitors ?? false,
      },
    ),
    id,
    ...(flags.goal === "reboot" ? { confirmsItself: true } : {}),
  };
}

/** What is older is better made anew. */
const VALID_DAYS_MAX = 366;
const BUNDLE_ID_CHARS_MAX = 60;

/** The kit does it, whether or not there is this program besides. */
export async function applyHere(file: string, receipt: string | undefined): Promise<number> {
  const kit = `${INSTALLED_KIT}/bin/pristine-kit`;
  if (!(await exists(kit))) {
    throw new OperationError("KIT_MISSING", `there is no ${kit} on this machine`, {
      hint: "a bundle is applied on the host that it is for; the first deployment, by ssh, brings the kit there",
    });
  }
  const { code } = await run([kit, "apply", file, ...(receipt === undefined ? [] : ["--receipt", receipt])], {
    output: "inherit",
    group: "shared",
  });
  return code === 0 ? EXIT.ok : code === 1 ? EXIT.usage : EXIT.hostsFailed;
}

export async function showReceipt(session: Session, file: string, keyFile: string | undefined): Promise<number> {
  const { signal, terminal } = session;
  const read = await readReceipt(file);
  const { value } = read;
  await requireSigned(file, read, { hostKey: await hostKeyOf(session, value, keyFile), signal });
  const { receipt, bundle } = value;
  const isForth = receipt.outcome === "confirmed" || receipt.outcome === "tested";
  if (session.options.json) terminal.out(JSON.stringify(value));
  else {
    const generation = receipt.generation === undefined ? "" : ` as generation ${receipt.generation}`;
    const lines = [
      `${value.host} of the fleet ${value.fleet}: bundle ${bundle.id} ${receipt.outcome}${generation}`,
      `at ${receipt.endedAt}, it runs ${isForth ? receipt.system : receipt.previous}`,
      ...(receipt.reason === undefined ? [] : [`because ${receipt.reason.message}`]),
    ];
    for (const line of lines) terminal.out(safeText(line));
  }
  return isForth ? EXIT.ok : EXIT.hostsFailed;
}

/** The key that the receipt must be signed by: never the one that it names itself. */
async function hostKeyOf(
  session: Session,
  { host: name, fleet, hostKey }: { readonly host: string; readonly fleet: string; readonly hostKey: string },
  keyFile: string | undefined,
): Promise<string> {
  if (keyFile !== undefined) return await readHostKey(keyFile);
  const { inventory, hosts } = await openContext(session, { hosts: [name] });
  if (inventory.name !== fleet) {
    throw new OperationError("RECEIPT_INVALID", `the receipt is of the fleet ${fleet}, and this is ${inventory.name}`);
  }
  // The name comes from the receipt, and is no pattern.
  const known = hosts.find((host) => host.name === name)?.secrets?.hostKey;
  if (typeof known === "string") return known;
  throw new OperationError("RECEIPT_KEY", `the fleet does not know the ssh key of ${name}`, {
    hint: `set deployment.hostKey, or name a file with it by --host-key; the receipt says that it is ${hostKey}`,
  });
}
