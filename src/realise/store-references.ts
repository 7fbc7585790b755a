/** What store objects that no evaluation made refer to, asked of the store's database at once, without waiting. */

import { OperationError } from "../base/errors.ts";
import { StoreLayout, type StorePlaces } from "../store/store-layout.ts";
import { kindOfSync } from "../system/files-sync.ts";
import { Database } from "../system/sqlite.ts";

/** Evaluation must not stand still for long because somebody writes. */
const BUSY_TIMEOUT_MS = 5_000;

export class StoreReferences {
  readonly #database: Database | undefined;

  constructor(storeRoot: string, places: StorePlaces) {
    const file = `${new StoreLayout(storeRoot, places).databaseDir}/db.sqlite`;
    if (kindOfSync(file, { followLinks: true }) !== "regular") return;
    try {
      this.#database = new Database(file, { readOnly: true, busyTimeoutMs: BUSY_TIMEOUT_MS });
    } catch (error) {
      // A database that this user may not read says as much as none.
      if (!(error instanceof OperationError)) throw error;
    }
  }

  /** Full paths, in order; `undefined` for a path that is not valid. */
  references(path: string): readonly string[] | undefined {
    const database = this.#database;
    if (database?.row("select 1 from ValidPaths where path = ?", path) === undefined) return undefined;
    return database.rows(REFERENCES, path).map((row) => String(row["path"]));
  }
}

const REFERENCES =
  "select target.path from Refs join ValidPaths source on referrer = source.id " +
  "join ValidPaths target on reference = target.id where source.path = ? order by target.path";
