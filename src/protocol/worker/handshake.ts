/** The client's side of the first exchange with a daemon. */

import { FormatError } from "../../base/errors.ts";
import { readStrings, readString, readUint, type Wire, WireWriter } from "../wire.ts";
import { type Agreement, CLIENT_MAGIC, MAJOR, MINOR_MIN, MINOR_OFFERED, SERVER_MAGIC } from "./operations.ts";

/** How the daemon treats us; older ones do not say. */
export type Trust = "trusted" | "not-trusted" | "unknown";

export interface Greeting {
  readonly nixVersion: string | undefined;
  readonly trust: Trust;
}

/** What is sent first. */
export function clientHello(minorOffered: number = MINOR_OFFERED): Buffer {
  return new WireWriter()
    .uint(CLIENT_MAGIC)
    .uint((MAJOR << 8) | minorOffered)
    .take();
}

/** The daemon's answer to it. Throws `FormatError` when the peer is no daemon, or too old. */
export function* readServerHello(minorOffered: number = MINOR_OFFERED): Wire<{ readonly minor: number }> {
  const magic = yield* readUint("magic");
  if (magic !== SERVER_MAGIC) throw new FormatError("worker protocol", "the other side is not a Nix daemon");
  const version = yield* readUint("protocol version", 0xffff);
  const minor = version & 0xff;
  if (version >> 8 !== MAJOR) throw new FormatError("worker protocol", `version ${version >> 8}.${minor} is not known`);
  if (minor < MINOR_MIN) {
    throw new FormatError("worker protocol", `version 1.${minor} of the daemon is older than 1.${MINOR_MIN}`);
  }
  return { minor: Math.min(minor, minorOffered) };
}

/** What is sent once the version is known. */
export function clientGreeting(minor: number, features: readonly string[]): Buffer {
  const writer = new WireWriter();
  if (minor >= 38) writer.strings([...features].sort());
  // CPU affinity and reserved space: both obsolete.
  return writer.uint(0).uint(0).take();
}

/** The daemon's answer to that; log frames up to `last` follow it. */
export function* readServerGreeting(
  minor: number,
  offered: readonly string[],
): Wire<Greeting & { readonly agreement: Agreement }> {
  const theirs = minor >= 38 ? yield* readStrings("features") : [];
  const nixVersion = minor >= 33 ? yield* readString("Nix version") : undefined;
  const trust = minor >= 35 ? TRUST[yield* readUint("trust", 2)]! : "unknown";
  return { nixVersion, trust, agreement: { minor, features: new Set(theirs.filter((one) => offered.includes(one))) } };
}

const TRUST: readonly Trust[] = ["unknown", "trusted", "not-trusted"];
