/**
 * Applying a bundle: a deployment for which nobody comes in over ssh. The transaction is the same as ever; what confirms it
 * is this program, once the host's own checks hold, and without it the host returns by its timer.
 */

import { type BundleManifest, type BundleReceipt, renderHeader, renderSigned } from "../machine/bundle.ts";
import { defaultGeneration } from "../machine/generation.ts";
import { sshdValues } from "../machine/sshd-config.ts";
import type { Receipt } from "../machine/transaction.ts";
import { type Bundle, type BundleFile, openBundle, requirePayload, sshKeygen, withScratch } from "./bundle-file.ts";
import type { Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { diskOf } from "./measures.ts";
import { begin, finish } from "./own-confirmation.ts";
import { activatedSystem, readGenerations, runningSystem, setRoot } from "./systems.ts";
import { STATE_DIRECTORY, TransactionRecord } from "./transaction-record.ts";

/** The bundle that was applied last, and what became of it once its receipt is written. */
const STATE = `${STATE_DIRECTORY}/bundle.json`;

interface BundleState {
  readonly version: 1;
  readonly id: string;
  readonly sequence: number;
  readonly outcome?: Receipt["outcome"];
}

export interface ApplyOptions {
  /** Where the signed receipt goes. */
  readonly receiptPath: string;
  /** Hears what is done, in sentences. */
  readonly onNote: (text: string) => void;
  /** Runs another kit on the same bundle instead of this one. */
  readonly handOver: (kit: string) => number;
}

export type Applied = { readonly receipt: Receipt } | { readonly exitCode: number };

const QUERY_SECONDS = 60;
/** What a slow disk takes for a closure of many gigabytes. */
const IMPORT_SECONDS = 6 * 3600;
const DELETE_SECONDS = 1800;
/** What stays free on the disk besides what is imported, as `begin` wants it. */
const FREE_BYTES_MIN = 32 * 1024 * 1024;
/** Paths of one question to the store: an argument list has an end. */
const PATHS_AT_ONCE = 500;

export function apply(host: Host, file: BundleFile, options: ApplyOptions): Applied {
  const { onNote } = options;
  const bundle = openBundle(host, file);
  const { manifest } = bundle;
  onNote(`bundle ${manifest.id} for ${manifest.host} of the fleet ${manifest.fleet}, signed by ${manifest.key}`);
  const key = requireItsHost(host, bundle);
  requireReceiptPath(host, options.receiptPath);
  const attempt = attemptOf(host, manifest);
  if (attempt.record === undefined) {
    requireInTime(host, manifest);
    requireBase(host, manifest);
    onNote("reading the payload");
    requirePayload(host, bundle);
    importPayload(host, bundle, onNote);
    if (host.kitPath !== manifest.kit) {
      setRoot(host, "kit", manifest.kit);
      onNote("going on with the bundle's kit");
      return { exitCode: options.handOver(`${manifest.kit}/bin/pristine-kit`) };
    }
    begin(host, { ...manifest.plan, id: attempt.id });
    writeState(host, { version: 1, id: manifest.id, sequence: manifest.sequence });
  }
  const receipt = finish(host, attempt.id, onNote);
  host.files.writeDurably(options.receiptPath, signedReceipt(host, bundle, { key, receipt }));
  writeState(host, { version: 1, id: manifest.id, sequence: manifest.sequence, outcome: receipt.outcome });
  return { receipt };
}

/** A private key of this host with its public part. */
interface HostKey {
  readonly file: string;
  readonly public: string;
}

/** Throws unless the bundle is for this host; answers the key that will sign the receipt. */
function requireItsHost(host: Host, { file, manifest }: Bundle): HostKey {
  const other = (what: string): KitError =>
    new KitError("KIT_BUNDLE_OTHER", `${file.path} is for ${manifest.host} of the fleet ${manifest.fleet}: ${what}`, {
      hint: "bring it to the host that it is for, or make one for this host",
    });
  const running = runningSystem(host);
  const meta = running === undefined ? undefined : host.system(running).meta;
  if (meta !== undefined && (meta.host !== manifest.host || meta.fleet !== manifest.fleet)) {
    throw other(`this is ${meta.host} of the fleet ${meta.fleet}`);
  }
  // Systems of NixOS do not say whose they are.
  const name = textOf(host, "/proc/sys/kernel/hostname").trim();
  if (meta === undefined && manifest.hostKey === null && name !== manifest.host) throw other(`this is ${name}`);
  const keys = hostKeys(host);
  const key = manifest.hostKey === null ? keys[0] : keys.find((one) => one.public === manifest.hostKey);
  if (key !== undefined) return key;
  if (keys.length > 0) throw other("this host has another ssh key than that one (deployment.hostKey)");
  throw new KitError("KIT_BUNDLE_OTHER", "this host has no ssh host key, which would sign the receipt", {
    hint: "make one with 'ssh-keygen -A'",
  });
}

/** The keys that sshd has, ed25519 first. */
function hostKeys(host: Host): HostKey[] {
  const configured = sshdValues(textOf(host, "/etc/ssh/sshd_config"), "hostkey");
  const usual = ["ed25519", "rsa"].map((type) => `/etc/ssh/ssh_host_${type}_key`);
  const files = new Set([...configured, ...usual]);
  return [...files]
    .flatMap((file) => {
      const [type, base64] = textOf(host, `${file}.pub`).trim().split(/\s+/);
      return type === undefined || base64 === undefined ? [] : [{ file, public: `${type} ${base64}` }];
    })
    .sort((one, two) => Number(isEd25519(two)) - Number(isEd25519(one)));
}

function isEd25519(key: HostKey): boolean {
  return key.public.startsWith("ssh-ed25519 ");
}

/** Through links; empty when there is no such file. */
function textOf(host: Host, path: string): string {
  const { code, stdout } = host.run(["cat", path], { timeoutSeconds: QUERY_SECONDS });
  return code === 0 ? stdout : "";
}

/** What cannot be written at the end is better known at the beginning. */
function requireReceiptPath(host: Host, path: string): void {
  try {
    host.files.writeDurably(`${path}.test`, "");
    host.files.remove(`${path}.test`, { durable: false });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new KitError("KIT_FAILED", `the receipt cannot be written: ${why}`, {
      hint: "name a place for it with --receipt FILE",
    });
  }
}

interface Attempt {
  readonly id: string;
  /** One that was begun: it is seen to its end. */
  readonly record?: TransactionRecord;
}

/** Which transaction this is: one that was cut off, a new one, or none, since the bundle has had its effect. */
function attemptOf(host: Host, manifest: BundleManifest): Attempt {
  const text = host.files.readFile(STATE);
  const last = text === undefined ? undefined : (JSON.parse(text) as BundleState);
  const replayed = (why: string): KitError =>
    new KitError("KIT_BUNDLE_REPLAYED", `bundle ${manifest.id} ${why}`, {
      hint: "make a new bundle for what the host is to run",
    });
  if (last !== undefined && last.sequence > manifest.sequence) {
    throw replayed(`is older than ${last.id}, which was applied here since`);
  }
  const isDone = last?.id === manifest.id && last.outcome !== undefined;
  if (isDone && FORTH.has(last.outcome)) throw replayed("was applied here before");
  const idOf = (number: number): string => (number === 1 ? manifest.id : `${manifest.id}-${number}`);
  let next = 1;
  while (TransactionRecord.open(host, idOf(next)) !== undefined) next++;
  const record = next === 1 ? undefined : TransactionRecord.open(host, idOf(next - 1));
  // What went back may be tried again, once its receipt is written.
  return record === undefined || isDone ? { id: idOf(next) } : { id: record.id, record };
}

const FORTH: ReadonlySet<string> = new Set(["confirmed", "tested"]);

function requireInTime(host: Host, { madeAt, expiresAt }: BundleManifest): void {
  const now = host.wallClock();
  if (now > expiresAt) {
    throw new KitError("KIT_BUNDLE_EXPIRED", `the bundle of ${madeAt} was good until ${expiresAt}, and it is ${now}`, {
      hint: "make a new bundle; if the host's clock is wrong, set it",
    });
  }
}

/** Throws unless the host runs what the bundle was made against. */
function requireBase(host: Host, { base, madeAt, plan }: BundleManifest): void {
  const generations = readGenerations(host);
  const active = defaultGeneration(generations);
  if (base === null) {
    const since = generations.find(({ number }) => number === active)?.date ?? "";
    if (since <= madeAt) return;
    throw new KitError(
      "KIT_BUNDLE_REPLAYED",
      `the bundle was made at ${madeAt}, and generation ${String(active)} was confirmed at ${since}`,
      { hint: "make a new bundle, which takes in what was deployed since" },
    );
  }
  const running = activatedSystem(host);
  const isThere = running === base.system && (base.generation === undefined || base.generation === active);
  if (isThere) return;
  const wanted = `${base.system}${base.generation === undefined ? "" : `, generation ${base.generation}`}`;
  throw new KitError(
    "KIT_BUNDLE_BASE",
    `the bundle is for a host that runs ${wanted}; this one runs ${running ?? "none that is known"}, generation ${String(active ?? "none")}`,
    {
      hint:
        running === plan.system
          ? "the host runs already what the bundle brings"
          : "give 'pristine bundle --from' what 'pristine-kit facts' says here, or make one without a base",
    },
  );
}

/** Adds to the store what it lacks, and sees that this is what was signed. */
function importPayload(host: Host, { file, manifest, payloadOffset }: Bundle, onNote: (text: string) => void): void {
  const wanted = new Set(askStore(host, ["--check-validity", "--print-invalid"], manifest.paths));
  const missing = manifest.paths.filter(({ path }) => wanted.has(path));
  if (missing.length === 0) return;
  const bytes = missing.reduce((sum, { narSize }) => sum + narSize, 0);
  const { freeBytes } = diskOf(host, "/nix/store");
  if (freeBytes < bytes + FREE_BYTES_MIN) {
    throw new KitError(
      "KIT_DISK_FULL",
      `/nix/store has ${freeBytes} bytes left; the bundle needs ${bytes}, and ${FREE_BYTES_MIN} more for the transaction`,
      { hint: "collect garbage on the host (nix-store --gc), or give it a larger disk" },
    );
  }
  onNote(`adding ${missing.length} store objects of ${bytes} bytes`);
  const [busybox = "busybox"] = host.which("busybox") ?? [];
  const script = 'set -o pipefail; "$0" gzip -dc | nix-store --serve --write';
  const { code, stderr } = host.run([busybox, "sh", "-c", script, busybox], {
    timeoutSeconds: IMPORT_SECONDS,
    stdinFile: { path: file.path, offset: payloadOffset },
  });
  try {
    const said = stderr.trim().split("\n").at(-1) ?? "";
    if (code !== 0) throw new KitError("KIT_FAILED", `the store does not take the payload: ${said || `exit ${code}`}`);
    requireAsSigned(host, missing);
  } catch (error) {
    // What is valid the next attempt would take as it is.
    onNote("deleting what came of the payload");
    deleteImported(host, missing);
    throw error;
  }
}

/** Whoever can write to the file while it is read could have exchanged it. */
function requireAsSigned(host: Host, imported: BundleManifest["paths"]): void {
  const hashes = askStore(host, ["--query", "--hash"], imported);
  const wrong = imported.find(({ narHash }, index) => hashes[index] !== narHash);
  if (wrong === undefined) return;
  throw new KitError("KIT_BUNDLE_INVALID", `${wrong.path} came into the store as another than was signed`, {
    hint: "apply the bundle from a place that nobody else can write to",
  });
}

function deleteImported(host: Host, missing: BundleManifest["paths"]): void {
  const absent = new Set(askStore(host, ["--check-validity", "--print-invalid"], missing));
  const present = missing.filter(({ path }) => !absent.has(path));
  // What refers to others goes first.
  askStore(host, ["--delete"], present.reverse(), DELETE_SECONDS);
}

function askStore(
  host: Host,
  query: readonly [string, ...string[]],
  paths: BundleManifest["paths"],
  timeoutSeconds = QUERY_SECONDS,
): string[] {
  const lines: string[] = [];
  for (let at = 0; at < paths.length; at += PATHS_AT_ONCE) {
    const some = paths.slice(at, at + PATHS_AT_ONCE).map(({ path }) => path);
    const { code, stdout, stderr } = host.run(["nix-store", ...query, ...some], { timeoutSeconds });
    if (code !== 0)
      throw new KitError("KIT_FAILED", `'nix-store ${query[0]}' failed: ${stderr.trim() || `exit ${code}`}`);
    lines.push(...stdout.split("\n").filter((line) => line !== ""));
  }
  return lines;
}

/** What became of it, signed by the host. */
function signedReceipt(
  host: Host,
  { manifest, signature }: Bundle,
  { key, receipt }: { readonly key: HostKey; readonly receipt: Receipt },
): string {
  const { id, sequence, fleet, host: name } = manifest;
  const bundle = { id, sequence, signature };
  const told: BundleReceipt = { version: 1, bundle, fleet, host: name, hostKey: key.public, receipt };
  const text = renderSigned(told);
  return withScratch(host, "receipt", (scratch) => {
    host.files.writeDurably(`${scratch}/text`, text);
    const command = [
      ...sshKeygen(host),
      "-Y",
      "sign",
      "-q",
      "-f",
      key.file,
      "-n",
      "pristine-receipt",
      `${scratch}/text`,
    ];
    const { code, stderr } = host.run(command, { timeoutSeconds: QUERY_SECONDS });
    if (code !== 0) throw new KitError("KIT_FAILED", `the receipt cannot be signed: ${stderr.trim()}`);
    const armored = host.files.readFile(`${scratch}/text.sig`) ?? "";
    const made = armored.replace(/-----[A-Z ]+-----|\s/g, "");
    return renderHeader("pristine-receipt", { size: text.length, signature: made }) + text;
  });
}

function writeState(host: Host, state: BundleState): void {
  host.files.makeDirectory(STATE_DIRECTORY);
  host.files.writeDurably(STATE, `${JSON.stringify(state)}\n`);
}
