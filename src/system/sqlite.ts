/** SQLite databases by Node's own binding: prepared statements are kept, transactions are functions. */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { OperationError } from "../base/errors.ts";

export type SqlValue = SQLInputValue;
export type SqlRow = Readonly<Record<string, unknown>>;

export interface OpenDatabaseOptions {
  readonly readOnly?: boolean | undefined;
  /** How long to wait for another process's transaction. */
  readonly busyTimeoutMs?: number | undefined;
}

export class Database implements Disposable {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #path: string;

  constructor(path: string, options: OpenDatabaseOptions = {}) {
    this.#path = path;
    try {
      // Loaded when it is needed: most evaluations open no database.
      const sqlite = process.getBuiltinModule("node:sqlite");
      this.#database = new sqlite.DatabaseSync(path, {
        readOnly: options.readOnly ?? false,
        timeout: options.busyTimeoutMs ?? 60_000,
      });
    } catch (error) {
      throw new OperationError("DATABASE_NOT_OPENED", `the database ${path} cannot be opened: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** Runs statements that return nothing, such as a schema. */
  execute(sql: string): void {
    this.#guard(() => this.#database.exec(sql));
  }

  run(sql: string, ...values: SqlValue[]): { readonly changes: number; readonly lastId: number } {
    return this.#guard(() => {
      const { changes, lastInsertRowid } = this.#statement(sql).run(...values);
      return { changes: Number(changes), lastId: Number(lastInsertRowid) };
    });
  }

  row(sql: string, ...values: SqlValue[]): SqlRow | undefined {
    return this.#guard(() => this.#statement(sql).get(...values) as SqlRow | undefined);
  }

  rows(sql: string, ...values: SqlValue[]): SqlRow[] {
    return this.#guard(() => this.#statement(sql).all(...values) as SqlRow[]);
  }

  /** Runs `action` in a transaction that takes the write lock at once; an error undoes everything. */
  transaction<T>(action: () => T): T {
    this.execute("begin immediate");
    try {
      const result = action();
      this.execute("commit");
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("rollback");
      throw error;
    }
  }

  close(): void {
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw databaseError(this.#path, error);
    }
  }
}

/** SQLite's primary result codes that users can do something about. */
const SQLITE_BUSY = 5;
const SQLITE_READONLY = 8;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

function databaseError(path: string, error: unknown): unknown {
  const code = (error as { readonly errcode?: number }).errcode;
  switch (code === undefined ? undefined : code & 0xff) {
    case SQLITE_BUSY:
      return new OperationError("DATABASE_BUSY", `the database ${path} is in use by another process`, {
        hint: "wait until it has finished, then try again",
        retryable: true,
        cause: error,
      });
    case SQLITE_READONLY:
      return new OperationError("NO_PERMISSION", `the database ${path} cannot be written by this user`, {
        cause: error,
      });
    case SQLITE_FULL:
      return new OperationError("DISK_FULL", `no space is left on the disk (writing ${path})`, {
        hint: "free some space and run the same command again: nothing that was finished is lost",
        cause: error,
      });
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new OperationError("DATABASE_CORRUPT", `the database ${path} is damaged: ${messageOf(error)}`, {
        cause: error,
      });
    default:
      return error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
