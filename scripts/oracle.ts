/**
 * A real Nix to compare with: Debian's own, in a tree made by debootstrap.
 *
 *     scripts/oracle.ts setup [SUITE]                 makes the tree (once), prints where it is
 *     scripts/oracle.ts run [--nix DIR] -- COMMAND…   runs a command in it, with DIR as its /nix
 *
 * A command runs in a private mount namespace entered by `pivot_root`, with `sandbox = true`, no fallback and no
 * substituters: in a plain chroot Debian's Nix silently builds without a sandbox and proves nothing.
 */

import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

/** Debian's testing suite has the release of Nix that ours is compared with. */
const SUITE = "forky";
/** Serves every suite of Debian, also those younger than the debootstrap installed. */
const BOOTSTRAP_SCRIPT = "/usr/share/debootstrap/scripts/sid";

/** Where the oracle's tree of a suite lies. */
export function oracleTree(suite: string = SUITE): string {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return process.env["PRISTINE_ORACLE_TREE"] ?? join(cache, "pristine", "oracle", suite);
}

/** debootstrap knows nothing of virtual packages: libdbi-perl is the perl-dbdabi that nix-bin needs in the end. */
const PACKAGES = "nix-bin,libdbi-perl,git,mercurial,ca-certificates,openssh-client";
/** Lies in a tree and says what it was made with: one with other packages is made anew. */
const MADE_WITH = "made-with-packages";

/** Makes the oracle's tree when it is absent, or was made with other packages. */
export function setUpOracle(suite: string = SUITE): string {
  return setUpTree(oracleTree(suite), suite, PACKAGES);
}

/** Makes a tree of a suite's packages. An interrupted run leaves nothing that looks finished. */
export function setUpTree(tree: string, suite: string, packages: string): string {
  const madeWith = join(tree, MADE_WITH);
  if (existsSync(madeWith) && readFileSync(madeWith, "utf8") === packages) return tree;
  if (process.getuid?.() !== 0) throw new Error(`${tree} is made by debootstrap, which needs root`);
  const unfinished = `${tree}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(dirname(tree), { recursive: true });
  const made = spawnSync(
    "debootstrap",
    ["--variant=minbase", `--include=${packages}`, suite, unfinished, debianMirror(), BOOTSTRAP_SCRIPT],
    {
      stdio: ["ignore", "pipe", "inherit"],
      encoding: "utf8",
    },
  );
  if (made.error !== undefined)
    throw new Error("debootstrap is missing: apt-get install debootstrap", { cause: made.error });
  if (made.status !== 0) throw new Error(`debootstrap failed:\n${made.stdout.split("\n").slice(-15).join("\n")}`);
  writeFileSync(join(unfinished, MADE_WITH), packages);
  rmSync(tree, { recursive: true, force: true });
  renameSync(unfinished, tree);
  return tree;
}

/** The Debian mirror this machine's apt uses, or what `PRISTINE_DEBIAN_MIRROR` says. */
function debianMirror(): string {
  const chosen = process.env["PRISTINE_DEBIAN_MIRROR"];
  if (chosen !== undefined) return chosen;
  for (const file of globSync("/etc/apt/sources.list.d/*.sources")) {
    const uri = /^URIs:\s*(\S+\/debian)\/?\s*$/m.exec(readFileSync(file, "utf8"))?.[1];
    if (uri !== undefined) return uri;
  }
  const list = existsSync("/etc/apt/sources.list") ? readFileSync("/etc/apt/sources.list", "utf8") : "";
  const uri = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+\/debian)\/?\s/m.exec(list)?.[1];
  if (uri !== undefined) return uri;
  throw new Error("no Debian mirror in apt's configuration; set PRISTINE_DEBIAN_MIRROR");
}

const ENTER = `
set -e
tree=$1 nix=$2 outside=$3 cwd=$4; shift 4
mount --bind "$tree" "$tree"; cd "$tree"
mkdir -p old nix "./$outside"
mount -t proc proc proc; mount --rbind /dev dev; mount --rbind /sys sys
mount --bind "$outside" "./$outside"; mount --bind "$nix" nix
for extra in $ORACLE_BIND; do mkdir -p "./$extra"; mount --bind "$extra" "./$extra"; done
[ ! -e /etc/resolv.conf ] || { : >> etc/resolv.conf; mount --bind /etc/resolv.conf etc/resolv.conf; }
pivot_root . old; umount -l /old; mount -t tmpfs tmpfs /run
unset NIX_REMOTE NIX_PATH
export HOME=/root PATH=/usr/sbin:/usr/bin
export NIX_CONFIG="sandbox = true
sandbox-fallback = false
substituters =
build-users-group =
experimental-features = nix-command flakes
$ORACLE_NIX_CONFIG"
cd "$cwd" 2>/dev/null || cd /
exec "$@"
`;

/** The command that runs `command` inside the oracle; `nixDir` serves as its `/nix`, this checkout and `bind` are visible. */
export function oracleCommand(
  command: readonly string[],
  options: { readonly nixDir: string; readonly bind?: readonly string[]; readonly tree?: string },
): { argv: string[]; env: NodeJS.ProcessEnv } {
  mkdirSync(options.nixDir, { recursive: true });
  const checkout = resolve(import.meta.dirname, "..");
  const namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"];
  return {
    argv: [
      ...namespace,
      "bash",
      "-c",
      ENTER,
      "oracle",
      options.tree ?? oracleTree(),
      options.nixDir,
      checkout,
      process.cwd(),
      ...command,
    ],
    env: {
      ...process.env,
      ORACLE_BIND: (options.bind ?? []).join(" "),
      ORACLE_NIX_CONFIG: process.env["ORACLE_NIX_CONFIG"] ?? "",
    },
  };
}

if (import.meta.main) {
  const [verb, ...rest] = process.argv.slice(2);
  if (verb === "setup") {
    console.log(setUpOracle(rest[0]));
  } else if (verb === "run") {
    const separator = rest.indexOf("--");
    const nixAt = rest.indexOf("--nix");
    const nixDir =
      nixAt >= 0 && nixAt < separator ? resolve(rest[nixAt + 1] ?? "") : join(dirname(oracleTree()), "nix");
    const { argv, env } = oracleCommand(rest.slice(separator + 1), { nixDir });
    const result = spawnSync(argv[0] ?? "", argv.slice(1), { stdio: "inherit", env });
    process.exitCode = result.status ?? 1;
  } else {
    console.error("usage: scripts/oracle.ts setup [SUITE] | run [--nix DIR] -- COMMAND…");
    process.exitCode = 1;
  }
}
