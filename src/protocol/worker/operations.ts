/** Numbers of the worker protocol: operations, versions, magic values. */

/** What a daemon can be asked to do. */
export const OPERATIONS = {
  isValidPath: 1,
  queryReferrers: 6,
  buildPaths: 9,
  ensurePath: 10,
  addTempRoot: 11,
  addIndirectRoot: 12,
  findRoots: 14,
  setOptions: 19,
  collectGarbage: 20,
  queryAllValidPaths: 23,
  queryPathInfo: 26,
  queryValidPaths: 31,
  optimiseStore: 34,
  verifyStore: 35,
  addSignatures: 37,
  narFromPath: 38,
  addToStoreNar: 39,
  queryMissing: 40,
  addMultipleToStore: 44,
  buildPathsWithResults: 46,
  addPermRoot: 47,
} as const;

export const CLIENT_MAGIC = 0x6e697863;
export const SERVER_MAGIC = 0x6478696f;

export const MAJOR = 1;
/** What we offer, and the oldest we can talk to (Nix 2.1). */
export const MINOR_OFFERED = 38;
export const MINOR_MIN = 21;

/** What client and daemon have agreed on. */
export interface Agreement {
  /** The lower of both sides' minor versions; the major one is 1. */
  readonly minor: number;
  readonly features: ReadonlySet<string>;
}
