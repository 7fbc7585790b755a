/** What settles how things are fetched; named after Nix's settings. */

export interface FetchSettings {
  /** How long a downloaded archive, file or branch counts as current, in seconds. */
  readonly tarballTtl: number;
  /** Tokens by host, or host and path (`access-tokens`). */
  readonly accessTokens: ReadonlyMap<string, string>;
  /** Where hosts of forges are asked, when not at `https://HOST`. */
  readonly hostAddresses: ReadonlyMap<string, string>;
  readonly netrcFile: string | undefined;
  readonly allowDirty: boolean;
  readonly warnDirty: boolean;
  /** How often a download is tried (`download-attempts`). */
  readonly downloadAttempts: number;
  /** Whether objects of binary caches need a signature when their paths do not follow from their contents. */
  readonly requireSigs: boolean;
  /** Who may sign them, `NAME:BASE64` each. */
  readonly trustedPublicKeys: readonly string[];
}

export const DEFAULT_FETCH_SETTINGS: FetchSettings = {
  tarballTtl: 3600,
  accessTokens: new Map(),
  hostAddresses: new Map(),
  netrcFile: "/etc/nix/netrc",
  allowDirty: true,
  warnDirty: true,
  downloadAttempts: 5,
  requireSigs: true,
  trustedPublicKeys: ["cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="],
};
