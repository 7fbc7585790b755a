/** What hosts answer: reading a receipt of a bundle, and what a host is said to run. */

import { OperationError } from "../../base/errors.ts";
import { type BundleReceipt, parseHeader } from "../../machine/bundle.ts";
import type { HostFacts } from "../../machine/facts.ts";
import { defaultGeneration } from "../../machine/generation.ts";
import { readBytesIfPresent, readTextIfPresent } from "../../system/files.ts";
import { isSshSignature } from "./ssh-signature.ts";
import type { BundleBase } from "./write-bundle.ts";

/** A receipt as it was written, before anybody has checked who signed it. */
export interface UncheckedReceipt {
  readonly value: BundleReceipt;
  readonly text: string;
  readonly signature: string;
}

const RECEIPT_BYTES_MAX = 8 * 1024 * 1024;

const invalid = (file: string, why: string): OperationError =>
  new OperationError("RECEIPT_INVALID", `${file}: ${why}`, { hint: "fetch it from the host once more" });

export async function readReceipt(file: string): Promise<UncheckedReceipt> {
  const bytes = await readBytesIfPresent(file);
  if (bytes === undefined) throw invalid(file, "there is no such file");
  const whole = bytes.toString("latin1");
  if (whole.length > RECEIPT_BYTES_MAX) throw invalid(file, `it is larger than ${RECEIPT_BYTES_MAX} bytes`);
  const header = parseHeader("pristine-receipt", whole);
  if (typeof header === "string") throw invalid(file, header);
  const { size, offset, signature } = header;
  const text = whole.slice(offset);
  if (text.length !== size) throw invalid(file, `it has ${text.length} bytes of signed text instead of ${size}`);
  const value = parsed<BundleReceipt>(text);
  if (value === undefined) throw invalid(file, "its text is damaged");
  const { host, hostKey, version } = value;
  if (version !== 1) throw invalid(file, `it has version ${String(version)}, and 1 is understood`);
  if (typeof host !== "string" || typeof hostKey !== "string") throw invalid(file, "it does not say whose it is");
  return { value: value as BundleReceipt, text, signature };
}

/** The members of a JSON object, which may be any. */
function parsed<T>(text: string): Partial<T> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    // Where the text is from says more than where it is wrong.
    return undefined;
  }
}

/** Throws unless that key has signed the receipt. */
export async function requireSigned(
  file: string,
  { text, signature, value }: UncheckedReceipt,
  { hostKey, signal }: { readonly hostKey: string; readonly signal: AbortSignal },
): Promise<void> {
  if (await isSshSignature("pristine-receipt", { text, signature, key: hostKey }, signal)) return;
  const isOther = await isSshSignature("pristine-receipt", { text, signature, key: value.hostKey }, signal);
  if (!isOther) throw invalid(file, "its signature does not hold: it was changed or damaged on the way");
  throw new OperationError("RECEIPT_KEY", `${file} is signed by another ssh key than ${value.host} has`, {
    hint: `it was signed by ${value.hostKey}; when the host's key was replaced, correct deployment.hostKey`,
  });
}

/** What a host runs after the bundle. */
export function baseOfReceipt({ receipt }: BundleReceipt): BundleBase {
  const { outcome, system, previous, generation } = receipt;
  if (outcome !== "confirmed") return { system: outcome === "tested" ? system : previous };
  return { system, ...(generation === undefined ? {} : { generation }) };
}

/** A host's public key from a file. */
export async function readHostKey(file: string): Promise<string> {
  const [type, base64] = (await readTextIfPresent(file))?.trim().split(/\s+/) ?? [];
  if (type !== undefined && base64 !== undefined) return `${type} ${base64}`;
  throw new OperationError("RECEIPT_KEY", `${file} has no public ssh key`, {
    hint: "name the file of the host's key that ends in .pub",
  });
}

/** What a host says by `pristine-kit facts`. */
export function baseOfFacts(file: string, text: string | undefined): BundleBase {
  const unknown = (why: string): OperationError =>
    new OperationError("BUNDLE_BASE_UNKNOWN", why, {
      hint: "bring the host's last receipt, or what 'pristine-kit facts' prints there, or make a bundle without a base",
    });
  if (text === undefined) throw unknown(`there is no file ${file}`);
  const facts = parsed<HostFacts>(text);
  if (facts === undefined) throw unknown(`${file} is neither a receipt nor what 'pristine-kit facts' says`);
  const system = facts.systems?.activated ?? facts.systems?.system;
  if (typeof system !== "string") throw unknown(`${file} does not say which system the host runs`);
  const generation = defaultGeneration(facts.generations ?? []);
  return { system, ...(generation === undefined ? {} : { generation }) };
}
