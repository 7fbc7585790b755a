/** `nix-cache-info`, the file by which a binary cache says what it is. */

export interface CacheInfo {
  /** The store directory its paths have; absent when the cache says nothing of it. */
  readonly storeDir: string | undefined;
  /** Whether it wants to be asked about many paths at once. */
  readonly wantsMassQuery: boolean;
  /** Lower is asked earlier. */
  readonly priority: number;
}

export const CACHE_INFO_BYTES_MAX: number = 64 * 1024;

const PRIORITY_DEFAULT = 50;

export function renderCacheInfo(info: CacheInfo): string {
  const lines = [
    ...(info.storeDir === undefined ? [] : [`StoreDir: ${info.storeDir}`]),
    `WantMassQuery: ${info.wantsMassQuery ? 1 : 0}`,
    `Priority: ${info.priority}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Reads the file; lines and fields it does not know are passed over. */
export function parseCacheInfo(text: string): CacheInfo {
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const priority = Number(fields.get("Priority") ?? PRIORITY_DEFAULT);
  return {
    storeDir: fields.get("StoreDir"),
    wantsMassQuery: fields.get("WantMassQuery") === "1",
    priority: Number.isSafeInteger(priority) ? priority : PRIORITY_DEFAULT,
  };
}
