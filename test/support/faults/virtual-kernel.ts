/**
 * What virtual hosts boot: Debian's kernel and a stage 1 of the lab's own shell functions. The packages are downloaded
 * with apt into the user's cache and unpacked there; nothing of them is installed on this machine.
 */

import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { STAGE_ONE } from "../../../src/lab/stage-one.ts";
import { missingPackages } from "../../../src/system/debian-packages.ts";
import { cacheDirectory } from "../../../src/system/directories.ts";
import { runChecked } from "../../../src/system/process.ts";
import { FAULTS_DIRECTORY } from "./struck-host.ts";

export interface VirtualKernel {
  readonly kernel: string;
  readonly initrd: string;
}

const KERNEL_PACKAGE = "linux-image-cloud-amd64";
/** What the host's disk and network are, what systemd asks for, and what the firewall's rules use. */
const MODULES = [
  "virtio_pci",
  "virtio_blk",
  "virtio_net",
  "autofs4",
  "nf_tables",
  "nft_ct",
  "nft_limit",
  "nft_log",
  "nft_reject_inet",
];
const DOWNLOAD_DEADLINE_MS = 180_000;

/** Why there can be no virtual hosts here, or false. */
export async function virtualHostsMissing(): Promise<string | false> {
  if (process.arch !== "x64") return `virtual hosts are made for x86-64, and this machine is ${process.arch}`;
  const missing = await missingPackages({
    "qemu-system-x86_64": "qemu-system-x86",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    xz: "xz-utils",
    "/dev/net/tun": "the kernel's module tun",
  });
  if (missing.length > 0) return `virtual hosts need ${missing.join(", ")}`;
  try {
    await kernelPackages();
    return false;
  } catch (error) {
    return `virtual hosts need ${KERNEL_PACKAGE}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The kernel, and stage 1 as this checkout has it, which is written to a directory. */
export async function virtualKernel(directory: string): Promise<VirtualKernel> {
  const packages = await kernelPackages();
  const initrd = join(directory, "initrd");
  await packInitrd(packages, initrd);
  return { kernel: only(packages, "boot/vmlinuz-*"), initrd };
}

/** The packages in the cache, where they are downloaded to at first. */
async function kernelPackages(): Promise<string> {
  const packages = join(cacheDirectory(), "virtual-hosts");
  if (existsSync(packages)) return packages;
  const fresh = `${packages}.${process.pid}`;
  try {
    await unpackPackages(fresh);
    renameSync(fresh, packages);
    return packages;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

async function unpackPackages(directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const apt = async (...argv: string[]): Promise<string> =>
    (await runChecked(argv, { cwd: directory, deadlineMs: DOWNLOAD_DEADLINE_MS })).stdout.toString("utf8");
  const download = async (): Promise<void> => {
    // The package that is named depends on the one that holds the kernel.
    const depends = await apt("apt-cache", "depends", "--important", KERNEL_PACKAGE);
    const kernel = /linux-image-\S*cloud-amd64$/m.exec(depends.slice(KERNEL_PACKAGE.length))?.[0];
    await apt("apt-get", "download", "-qq", kernel ?? KERNEL_PACKAGE, "busybox-static");
  };
  try {
    await download();
  } catch {
    // This machine's lists may be absent or older than the mirror's.
    await apt("apt-get", "update", "-qq");
    await download();
  }
  for (const deb of globSync("*.deb", { cwd: directory })) {
    await runChecked(["dpkg-deb", "-x", join(directory, deb), directory]);
    rmSync(join(directory, deb));
  }
}

function only(directory: string, pattern: string): string {
  const [found] = globSync(pattern, { cwd: directory });
  if (found === undefined) throw new Error(`the packages have no ${pattern}`);
  return join(directory, found);
}

/** Modules are put into it in the order in which they can be loaded. */
async function packInitrd(packages: string, initrd: string): Promise<void> {
  const tree = `${initrd}.tree`;
  const busybox = only(packages, "{bin,usr/bin}/busybox");
  try {
    for (const name of ["bin", "modules", "proc", "sys", "dev", "disk", "root"])
      mkdirSync(join(tree, name), { recursive: true });
    cpSync(busybox, join(tree, "bin/busybox"));
    const order: string[] = [];
    for (const name of MODULES) await addModule(packages, join(tree, "modules"), name, order);
    writeFileSync(join(tree, "init"), stageOne(order));
    chmodSync(join(tree, "init"), 0o755);
    await runChecked(["sh", "-c", 'cd "$1" && find . | "$2" cpio -o -H newc >"$3"', "sh", tree, busybox, initrd]);
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

async function addModule(packages: string, to: string, name: string, order: string[]): Promise<void> {
  if (order.includes(name)) return;
  const [found] = globSync(`{lib,usr/lib}/modules/*/kernel/**/${name}.ko{,.xz}`, { cwd: packages });
  // What is not a module of this kernel is part of it.
  if (found === undefined) return;
  const path = join(packages, found);
  const bytes = path.endsWith(".xz") ? (await runChecked(["xz", "-dc", path])).stdout : readFileSync(path);
  const depends = /\0depends=([^\0]*)\0/.exec(bytes.toString("latin1"))?.[1] ?? "";
  for (const other of depends.split(",").filter(Boolean)) await addModule(packages, to, other, order);
  writeFileSync(join(to, `${name}.ko`), bytes);
  order.push(name);
}

/**
 * The kernel's command line gives it `HOST`, and `POINT` for the fault points of this boot. What is not synced stays in
 * memory, as long as a case may take: a power cut must find all that is missing.
 */
function stageOne(modules: readonly string[]): string {
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
DISK=/disk
ROOT=/root
mount -t proc proc /proc
# As in a container: without udev, systemd-networkd would wait for it where it could write here.
mount -t sysfs -o ro sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in ${modules.join(" ")}; do insmod "/modules/$module.ko"; done

${STAGE_ONE}
echo 0 >/proc/sys/vm/dirty_writeback_centisecs
mount -t ext4 -o noatime,commit=600 /dev/vda "$DISK" || fail "the disk cannot be mounted"
make_root
mkdir -p "$ROOT${FAULTS_DIRECTORY}"
mount -t tmpfs -o mode=700 tmpfs "$ROOT${FAULTS_DIRECTORY}"
[ -z "$POINT" ] || echo "$POINT" >"$ROOT${FAULTS_DIRECTORY}/point"
ip link set eth0 name host0
echo "stage 1 boots $system"
for path in proc sys dev; do mount --move "/$path" "$ROOT/$path"; done
unset POINT
exec switch_root "$ROOT" "$system/init"
`;
}
