/** The settings of Nix 2.34: their names, what kind of value each takes, and older names. */

export type SettingKind = "boolean" | "integer" | "list" | "lint" | "text";

const NAMES: Readonly<Record<SettingKind, string>> = {
  boolean: `
    abort-on-warn accept-flake-config allow-dirty allow-dirty-locks allow-import-from-derivation allow-new-privileges
    allow-symlinked-store allow-unsafe-native-code-during-evaluation always-allow-substitutes auto-allocate-uids
    auto-optimise-store builders-use-substitutes compress-build-log debugger-on-trace debugger-on-warn eval-cache
    fallback filter-syscalls fsync-metadata fsync-store-paths http2 ignore-try impersonate-linux-26 keep-build-log
    keep-derivations keep-env-derivations keep-failed keep-going keep-outputs nix-shell-always-looks-for-shell-nix
    nix-shell-shebang-arguments-relative-to-script preallocate-contents print-missing pure-eval
    require-drop-supplementary-groups require-sigs restrict-eval run-diff-hook sandbox-fallback show-trace substitute
    sync-before-registering trace-function-calls trace-import-from-derivation trace-verbose
    trust-tarballs-from-git-forges use-case-hack use-cgroups use-registries use-sqlite-wal use-xdg-base-directories
    warn-dirty warn-short-path-literals`,
  integer: `
    build-poll-interval connect-timeout cores download-attempts download-buffer-size download-speed
    eval-attrset-update-layer-rhs-threshold eval-profiler-frequency gc-reserved-space http-connections id-count
    log-lines max-build-log-size max-call-depth max-free max-jobs max-silent-time max-substitution-jobs min-free
    min-free-check-interval nar-buffer-size narinfo-cache-meta-ttl narinfo-cache-negative-ttl
    narinfo-cache-positive-ttl stalled-download-timeout start-id tarball-ttl timeout warn-large-path-threshold`,
  list: `
    access-tokens allowed-impure-host-deps allowed-uris allowed-users build-hook experimental-features
    external-builders extra-platforms hashed-mirrors ignored-acls impure-env nix-path plugin-files sandbox-paths
    secret-key-files substituters system-features trusted-public-keys trusted-substituters trusted-users`,
  lint: "lint-absolute-path-literals lint-short-path-literals lint-url-literals",
  text: `
    bash-prompt bash-prompt-prefix bash-prompt-suffix build-dir build-users-group builders commit-lock-file-summary
    diff-hook eval-profile-file eval-profiler eval-system flake-registry json-log-path netrc-file post-build-hook
    pre-build-hook sandbox sandbox-build-dir sandbox-dev-shm-size ssl-cert-file store system
    upgrade-nix-store-path-url user-agent-suffix`,
};

const KINDS: ReadonlyMap<string, SettingKind> = new Map(
  Object.entries(NAMES).flatMap(([kind, names]) =>
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, kind as SettingKind] as const),
  ),
);

const OLDER_NAMES: Readonly<Record<string, string>> = {
  "binary-cache-public-keys": "trusted-public-keys",
  "binary-caches": "substituters",
  "binary-caches-parallel-connections": "http-connections",
  "build-chroot-dirs": "sandbox-paths",
  "build-compress-log": "compress-build-log",
  "build-cores": "cores",
  "build-fallback": "fallback",
  "build-impersonate-linux-26": "impersonate-linux-26",
  "build-keep-log": "keep-build-log",
  "build-max-jobs": "max-jobs",
  "build-max-log-size": "max-build-log-size",
  "build-max-silent-time": "max-silent-time",
  "build-sandbox-paths": "sandbox-paths",
  "build-timeout": "timeout",
  "build-use-chroot": "sandbox",
  "build-use-sandbox": "sandbox",
  "build-use-substitutes": "substitute",
  "commit-lockfile-summary": "commit-lock-file-summary",
  "env-keep-derivations": "keep-env-derivations",
  "gc-keep-derivations": "keep-derivations",
  "gc-keep-outputs": "keep-outputs",
  "substitution-max-jobs": "max-substitution-jobs",
  "trusted-binary-caches": "trusted-substituters",
};

/** A setting by its name or an older one; `undefined` when there is none. */
export function settingNamed(name: string): { readonly name: string; readonly kind: SettingKind } | undefined {
  const own = Object.hasOwn(OLDER_NAMES, name) ? OLDER_NAMES[name]! : name;
  const kind = KINDS.get(own);
  return kind === undefined ? undefined : { name: own, kind };
}

/** Nix's experimental features; others are warned of. */
export const EXPERIMENTAL_FEATURES: ReadonlySet<string> = new Set([
  "auto-allocate-uids",
  "blake3-hashes",
  "ca-derivations",
  "cgroups",
  "configurable-impure-env",
  "daemon-trust-override",
  "dynamic-derivations",
  "external-builders",
  "fetch-closure",
  "fetch-tree",
  "flakes",
  "git-hashing",
  "impure-derivations",
  "local-overlay-store",
  "mounted-ssh-store",
  "nix-command",
  "parse-toml-timestamps",
  "pipe-operators",
  "read-only-local-store",
  "recursive-nix",
  "verified-fetches",
]);
