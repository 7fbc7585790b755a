/**
 * A lock whose packages are not packages: enough for evaluating hosts, and for seeing how building them fails.
 *
 * Every "package" is the text `stub NAME`, so that a test's own mirror can serve it under its right hash.
 */

import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hashBytes } from "../../src/format/hash.ts";
import { bootstrapNarHash } from "../../src/realise/lock/bootstrap.ts";
import { renderLock } from "../../src/realise/lock/lock-file.ts";

/** What hosts without any service of their own name. */
const NAMES =
  "base-files base-passwd bash bash-static busybox-static bzip2 ca-certificates coreutils curl dash dbus-broker " +
  "dbus-system-bus-common debianutils diffutils findutils grep gzip hostname iproute2 iputils-ping kmod less libc-bin " +
  "libc6 libnss-myhostname libnss-systemd libpam-modules libpam-modules-bin libpam-runtime libpam-systemd login mawk mount " +
  "ncurses-base netbase nftables nix-bin openssh-client openssh-server openssh-sftp-server passwd procps quickjs sed " +
  "systemd systemd-resolved systemd-sysv tar tzdata util-linux xz-utils zlib1g";

/** The bytes of a stub package. */
export function stubPackage(name: string): Buffer {
  return Buffer.from(`stub ${name}\n`);
}

export interface StubLockOptions {
  /** Where the packages are fetched from. */
  readonly mirror: string;
  /** Packages besides those that every host has. */
  readonly extra?: readonly string[];
  /** The first tool of all builds. */
  readonly busybox?: Uint8Array;
}

/** Writes `pristine.lock` and its bootstrap directory below a directory. */
export function writeStubLock(directory: string, options: StubLockOptions): void {
  const busybox = options.busybox ?? Buffer.from("no program\n");
  const names = [...NAMES.split(" "), ...(options.extra ?? [])].sort();
  const bootstrap = {
    package: "busybox-static",
    version: "1",
    path: "pristine.lock.d/amd64",
    narHash: bootstrapNarHash(busybox),
  };
  const packages = Object.fromEntries(
    names.map((name) => {
      const contents = stubPackage(name);
      const sha256 = Buffer.from(hashBytes("sha256", contents).bytes).toString("hex");
      const filename = `pool/${name}.deb`;
      return [
        name,
        { version: "1", source: 0, filename, sha256, size: contents.length, installedSize: 1, depends: [] },
      ];
    }),
  );
  const source = {
    uri: options.mirror,
    suite: "trixie",
    component: "main",
    inReleaseSha256: "0".repeat(64),
    date: "Sat, 01 Nov 2025 00:00:00 UTC",
  };
  const lock = {
    version: 1,
    suite: "trixie",
    sources: [source],
    bootstrap: { amd64: bootstrap },
    architectures: { amd64: packages },
  };
  writeFileSync(join(directory, "pristine.lock"), renderLock(lock));
  mkdirSync(join(directory, bootstrap.path), { recursive: true });
  writeFileSync(join(directory, bootstrap.path, "busybox"), busybox);
  chmodSync(join(directory, bootstrap.path, "busybox"), 0o755);
}
