/**
 * The skeleton of a host's root: what stage 1 makes on the empty tmpfs before the system's `init` runs.
 *
 * It is data, shared by the lab's stage 1 (which makes it) and by `ephemeral` (which must not report it as state).
 */

export interface SkeletonDirectory {
  readonly path: string;
  /** Permission bits, sticky bit included. */
  readonly mode: number;
  readonly kind: "plain" | "mountpoint";
}

export interface SkeletonLink {
  readonly path: string;
  readonly target: string;
}

export interface Skeleton {
  readonly directories: readonly SkeletonDirectory[];
  readonly links: readonly SkeletonLink[];
}

/** The volatile link through which `/usr` and `/etc` go: one rename of it switches the generation. */
export const SYSTEM_LINK = "/system";

/** Directories in the order in which they can be made, and links; all are owned by root. */
export const SKELETON: Skeleton = {
  directories: [
    { path: "/nix", mode: 0o755, kind: "mountpoint" },
    { path: "/persist", mode: 0o755, kind: "mountpoint" },
    { path: "/proc", mode: 0o555, kind: "mountpoint" },
    { path: "/sys", mode: 0o555, kind: "mountpoint" },
    { path: "/dev", mode: 0o755, kind: "mountpoint" },
    { path: "/run", mode: 0o755, kind: "mountpoint" },
    { path: "/tmp", mode: 0o1777, kind: "mountpoint" },
    { path: "/var", mode: 0o755, kind: "plain" },
    { path: "/root", mode: 0o700, kind: "plain" },
    { path: "/home", mode: 0o755, kind: "plain" },
    { path: "/srv", mode: 0o755, kind: "plain" },
    { path: "/mnt", mode: 0o755, kind: "plain" },
  ],
  links: [
    { path: "/usr", target: "system/usr" },
    { path: "/etc", target: "system/etc" },
    { path: "/bin", target: "usr/bin" },
    { path: "/sbin", target: "usr/sbin" },
    { path: "/lib", target: "usr/lib" },
    { path: "/lib64", target: "usr/lib64" },
  ],
};

/** The target of `/system` for a system: relative, so that it also resolves when the root is looked at from outside. */
export function systemLinkTarget(systemPath: string): string {
  return systemPath.replace(/^\/+/, "");
}
