/** What Nix's settings say about fetching. */

import type { FetchSettings } from "../../fetch/fetch-settings.ts";

const UNITS: Readonly<Record<string, number>> = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** The settings that are given; `textOf` answers the text of one, `undefined` for one that is not. */
export function fetchSettingsOf(textOf: (name: string) => string | undefined): Partial<FetchSettings> {
  const tarballTtl = integerOf(textOf("tarball-ttl"));
  const downloadAttempts = integerOf(textOf("download-attempts"));
  const netrcFile = textOf("netrc-file");
  const tokens = textOf("access-tokens");
  const keys = textOf("trusted-public-keys");
  return {
    ...(tarballTtl === undefined ? {} : { tarballTtl }),
    ...(downloadAttempts === undefined ? {} : { downloadAttempts }),
    ...(netrcFile === undefined ? {} : { netrcFile }),
    ...(tokens === undefined ? {} : { accessTokens: tokensOf(tokens) }),
    ...(keys === undefined ? {} : { trustedPublicKeys: keys.split(/\s+/).filter((key) => key !== "") }),
    ...flagOf("requireSigs", textOf("require-sigs")),
    ...flagOf("allowDirty", textOf("allow-dirty")),
    ...flagOf("warnDirty", textOf("warn-dirty")),
  };
}

function flagOf(name: "allowDirty" | "requireSigs" | "warnDirty", text: string | undefined): Partial<FetchSettings> {
  return text === undefined ? {} : { [name]: /^(true|yes|1)$/.test(text) };
}

function integerOf(text: string | undefined): number | undefined {
  const [, digits, unit = ""] = /^(\d+)([KMGT]?)$/.exec(text ?? "") ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNITS[unit] ?? 1);
}

/** `HOST=TOKEN` by host. */
function tokensOf(text: string): ReadonlyMap<string, string> {
  const pairs = text.split(/\s+/).filter((pair) => pair.includes("="));
  return new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
}
