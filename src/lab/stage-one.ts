/**
 * Stage 1 as shell functions for any POSIX shell, busybox's too: what to boot, as the host's disk says it, and the root
 * that it is booted in. `DISK` is where the disk is mounted, `ROOT` the directory of the root.
 */

import { BOOT_ONCE, PROFILE_DIRECTORY, PROFILE_NAME } from "../machine/generation.ts";
import { SKELETON, SYSTEM_LINK } from "../machine/skeleton.ts";

/** What a host's root may hold in memory. */
const ROOT_SIZE = "512m";

/** The boot default, as a link chain on the disk. */
export const BOOT_DEFAULT: string = `${PROFILE_DIRECTORY}/${PROFILE_NAME}`;

/** Needs `HOST`, `DISK` and `ROOT`; `make_root` leaves in `system` what is to be booted. */
export const STAGE_ONE: string = `fail() {
  echo "$HOST cannot boot: $*"
  exit 1
}

# boot_default: the system path that the disk names, after all links
boot_default() {
  if [ -f "$DISK${BOOT_ONCE}" ]; then
    read -r path <"$DISK${BOOT_ONCE}"
    rm -f "$DISK${BOOT_ONCE}"
    sync -f "$DISK"
    if [ -e "$DISK$path/init" ] || [ -h "$DISK$path/init" ]; then
      echo "$path"
      return
    fi
  fi
  path=${BOOT_DEFAULT}
  for _ in 1 2 3 4 5 6 7 8; do
    case $path in /nix/store/*) break ;; esac
    target=$(readlink "$DISK$path") || return 1
    case $target in
      /*) path=$target ;;
      *) path=\${path%/*}/$target ;;
    esac
  done
  echo "$path"
}

make_root() {
  system=$(boot_default) || fail "the disk names no system at ${BOOT_DEFAULT}"
  [ -e "$DISK$system/init" ] || [ -h "$DISK$system/init" ] || fail "there is no $system/init on the disk"
  mkdir -p "$ROOT"
  mount -t tmpfs -o mode=755,size=${ROOT_SIZE} tmpfs "$ROOT" || fail "no memory for the root"
${skeletonCommands()}
  ln -s "\${system#/}" "$ROOT${SYSTEM_LINK}"
  mount --bind "$DISK/nix" "$ROOT/nix" || fail "the disk cannot be mounted"
  mount --bind "$DISK/nix/store" "$ROOT/nix/store" && mount -o remount,bind,ro "$ROOT/nix/store" || fail "the store cannot be mounted"
  mount --bind "$DISK/persist" "$ROOT/persist" || fail "the disk cannot be mounted"
}
`;

function skeletonCommands(): string {
  const directories = SKELETON.directories.map(({ path, mode }) => `  mkdir -m ${mode.toString(8)} "$ROOT${path}"`);
  const links = SKELETON.links.map(({ path, target }) => `  ln -s ${target} "$ROOT${path}"`);
  return [...directories, ...links].join("\n");
}
