/** Reading a bundle on the host that it is for: everything that can be wrong with it is found before anything is touched. */

import {
  type BundleManifest,
  HEADER_BYTES_MAX,
  parseHeader,
  type SignedHeader,
  type SignedKind,
} from "../machine/bundle.ts";
import { base64Of, bytesOfBase64 } from "./base64.ts";
import { parsePlan } from "./begin.ts";
import { NIX } from "./gate.ts";
import type { CommandResult, Host } from "./host.ts";
import { KitError } from "./kit-error.ts";
import { isStorePath } from "./systems.ts";

/** The file as it lies on a disk or a stick; it is far larger than memory. */
export interface BundleFile {
  readonly path: string;
  readonly bytes: number;
  /** Bytes as characters; fewer at the end of the file. */
  read(offset: number, size: number): string;
}

/** A bundle whose signature holds. */
export interface Bundle {
  readonly file: BundleFile;
  readonly manifest: BundleManifest;
  readonly signature: string;
  readonly payloadOffset: number;
}

/** Where files for `ssh-keygen` lie meanwhile. */
const SCRATCH = "/run/pristine";
const VERIFY_SECONDS = 20;
const SHOW_CONFIG_SECONDS = 20;
/** A stick gives 5 MB per second or more: enough for a hundred gigabytes. */
const HASH_SECONDS = 6 * 3600;

const damaged = ({ path }: BundleFile, why: string): KitError =>
  new KitError("KIT_BUNDLE_INVALID", `${path}: ${why}`, {
    hint: "copy the file once more; if it stays like this, make a new bundle",
  });

/** Reads what is signed, and nothing of the payload. */
export function openBundle(host: Host, file: BundleFile): Bundle {
  const header = parseHeader("pristine-bundle", file.read(0, HEADER_BYTES_MAX));
  if (typeof header === "string") throw damaged(file, header);
  const text = file.read(header.offset, header.size);
  if (text.length < header.size) throw damaged(file, `it ends after ${file.bytes} bytes, before its payload`);
  requireSignature(host, file, header, text);
  const manifest = JSON.parse(text) as BundleManifest;
  if (manifest.version !== 1) {
    throw damaged(file, `it has version ${String(manifest.version)} of the manifest, and 1 is understood`);
  }
  parsePlan(JSON.stringify(manifest.plan));
  for (const path of [manifest.kit, ...manifest.paths.map((one) => one.path), manifest.base?.system ?? manifest.kit]) {
    if (!isStorePath(path)) throw damaged(file, `'${path}' in it is no store path`);
  }
  return { file, manifest, signature: header.signature, payloadOffset: header.offset + header.size };
}

/** Reads the payload once, before anything of it is used. */
export function requirePayload(host: Host, { file, manifest, payloadOffset }: Bundle): void {
  const { bytes, sha256 } = manifest.payload;
  const present = file.bytes - payloadOffset;
  if (present !== bytes) {
    throw damaged(file, `its payload has ${present} bytes instead of ${bytes}`);
  }
  const command = [...(host.which("busybox") ?? []), "sha256sum"];
  const stdinFile = { path: file.path, offset: payloadOffset };
  const { code, stdout, stderr } = host.run(command, { timeoutSeconds: HASH_SECONDS, stdinFile });
  if (code !== 0) throw new KitError("KIT_FAILED", `${file.path} cannot be read: ${stderr.trim()}`);
  if (stdout.split(" ")[0] !== sha256) throw damaged(file, "its payload was changed or damaged on the way");
}

/** Throws unless a key that this host's Nix trusts has signed the text. */
function requireSignature(host: Host, file: BundleFile, { signature }: SignedHeader, text: string): void {
  const keys = trustedKeys(host);
  if (isSignedBy(host, "pristine-bundle", { text, signature, keys: keys.map(({ ssh }) => ssh) })) return;
  if (!isSignedBy(host, "pristine-bundle", { text, signature }))
    throw damaged(file, "its signature does not hold: it was changed or damaged on the way");
  const names = keys.map(({ name }) => name);
  const trusted = names.length === 0 ? "it trusts none" : `it trusts ${names.join(", ")}`;
  throw new KitError("KIT_BUNDLE_KEY", `${file.path} is signed by a key that this host does not trust; ${trusted}`, {
    hint: "make the bundle with the key whose public part is in nix.settings.trusted-public-keys of the host (deployment.signingKeyFile)",
  });
}

interface SignedText {
  readonly text: string;
  readonly signature: string;
  /** Public keys of ssh; without them any key will do. */
  readonly keys?: readonly string[];
}

/** Asks OpenSSH. What it would decode although nobody writes it so is not taken. */
function isSignedBy(host: Host, kind: SignedKind, { text, signature, keys }: SignedText): boolean {
  if (bytesOfBase64(signature) === undefined || keys?.length === 0) return false;
  return withScratch(host, "verify", (scratch) => {
    const armored = `-----BEGIN SSH SIGNATURE-----\n${signature}\n-----END SSH SIGNATURE-----\n`;
    host.files.writeDurably(`${scratch}/signature`, armored);
    host.files.writeDurably(`${scratch}/text`, text);
    host.files.writeDurably(`${scratch}/keys`, (keys ?? []).map((key) => `fleet ${key}\n`).join(""));
    const mode = keys === undefined ? ["check-novalidate"] : ["verify", "-I", "fleet", "-f", `${scratch}/keys`];
    const command = [...sshKeygen(host), "-Y", ...mode, "-n", kind, "-s", `${scratch}/signature`];
    const stdinFile = { path: `${scratch}/text`, offset: 0 };
    return host.run(command, { timeoutSeconds: VERIFY_SECONDS, stdinFile }).code === 0;
  });
}

/** `ssh-keygen`, which every host with an sshd has. */
export function sshKeygen(host: Host): readonly string[] {
  const program = host.which("ssh-keygen");
  if (program === undefined) {
    throw new KitError("KIT_FAILED", "this host has no ssh-keygen, which checks and makes signatures", {
      hint: "add openssh-client to environment.systemPackages, and deploy once by ssh",
    });
  }
  return program;
}

/** A directory of root's in memory, removed afterwards. */
export function withScratch<T>(host: Host, name: string, use: (directory: string) => T): T {
  const directory = `${SCRATCH}/bundle-${name}-${host.uptimeMs()}`;
  host.files.removeTree(directory);
  host.secretFiles.makeDirectory(directory, "0700");
  try {
    return use(directory);
  } finally {
    host.files.removeTree(directory);
  }
}

/** An ed25519 key begins like this in ssh's wire format; its 32 bytes follow. */
const ED25519_WIRE = "\0\0\0\x0bssh-ed25519\0\0\0\x20";
const ED25519_BYTES = 32;

/** What `trusted-public-keys` of this host's Nix names, in ssh's notation. */
function trustedKeys(host: Host): { readonly name: string; readonly ssh: string }[] {
  const ask = (...words: string[]): CommandResult =>
    host.run([...NIX, ...words, "trusted-public-keys"], { timeoutSeconds: SHOW_CONFIG_SECONDS });
  const asked = ask("config", "show");
  // Before Nix 2.20 it was called so.
  const { code, stdout, stderr } = asked.code === 0 ? asked : ask("show-config");
  if (code !== 0) throw new KitError("KIT_FAILED", `nix does not say which keys it trusts: ${stderr.trim()}`);
  return stdout
    .trim()
    .split(/\s+/)
    .flatMap((key) => {
      const [name = "", base64 = ""] = key.split(":");
      const bytes = bytesOfBase64(base64);
      if (bytes?.length !== ED25519_BYTES) return [];
      return [{ name, ssh: `ssh-ed25519 ${base64Of(ED25519_WIRE + bytes)}` }];
    });
}
