/** What a lab needs from this machine: root, and programs that Debian has in these packages. */

import { OperationError } from "../base/errors.ts";
import { missingPackages, type PackageOf } from "../system/debian-packages.ts";
import { isRoot } from "../system/identity.ts";

export const LAB_PROGRAMS: PackageOf & { readonly ip: string } = {
  "systemd-nspawn": "systemd-container",
  ip: "iproute2",
  tc: "iproute2",
  nft: "nftables",
  "mkfs.ext4": "e2fsprogs",
  ssh: "openssh-client",
  "ssh-keygen": "openssh-client",
  losetup: "mount",
  mount: "mount",
  nsenter: "util-linux",
  unshare: "util-linux",
  setpriv: "util-linux",
  setsid: "util-linux",
  fallocate: "util-linux",
  find: "findutils",
};

export async function checkRequirements(): Promise<void> {
  checkRoot();
  const missing = await missingPackages(LAB_PROGRAMS);
  if (missing.length === 0) return;
  throw new OperationError(
    "PACKAGES_MISSING",
    `a lab needs programs from packages that are not installed: ${missing.join(", ")}`,
    {
      hint: `apt-get install --no-install-recommends ${missing.join(" ")}`,
    },
  );
}

export function checkRoot(): void {
  if (isRoot()) return;
  throw new OperationError("NOT_ROOT", "a lab makes mounts, network interfaces and namespaces, which needs root", {
    hint: "run the same command with sudo, or as root in a virtual machine",
  });
}
