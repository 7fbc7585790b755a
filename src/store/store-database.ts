/**
 * The database of a local store: Nix's schema 10, so that Nix opens it as its own, at the same time if need be.
 *
 * Paths are given and returned as `StorePath`s; the tables hold them with the store directory in front.
 */

import { FormatError, OperationError } from "../base/errors.ts";
import { Hash } from "../format/hash.ts";
import type { PathInfo } from "../format/path-info.ts";
import { StorePath } from "../format/store-path.ts";
import { ensureDirectory, exists, readTextIfPresent, writeFileAtomic } from "../system/files.ts";
import { lockFile, type FileLock } from "../system/flock.ts";
import { Database, type SqlRow } from "../system/sqlite.ts";
import type { StoreLayout } from "./store-layout.ts";

const SCHEMA_VERSION = "10";
/** Space that a collection on a full disk can give up first. */
const RESERVED_BYTES = 8 * 1024 * 1024;

/** How long a Nix that upgrades the schema is waited for. */
const UPGRADE_WAIT_MS = 60_000;

const SCHEMA = `
create table if not exists ValidPaths (
  id integer primary key autoincrement not null,
  path text unique not null,
  hash text not null,
  registrationTime integer not null,
  deriver text,
  narSize integer,
  ultimate integer,
  sigs text,
  ca text
);
create table if not exists Refs (
  referrer integer not null,
  reference integer not null,
  primary key (referrer, reference),
  foreign key (referrer) references ValidPaths(id) on delete cascade,
  foreign key (reference) references ValidPaths(id) on delete restrict
);
create index if not exists IndexReferrer on Refs(referrer);
create index if not exists IndexReference on Refs(reference);
create trigger if not exists DeleteSelfRefs before delete on ValidPaths
  begin
    delete from Refs where referrer = old.id and reference = old.id;
  end;
create table if not exists DerivationOutputs (
  drv integer not null,
  id text not null,
  path text not null,
  primary key (drv, id),
  foreign key (drv) references ValidPaths(id) on delete cascade
);
create index if not exists IndexDerivationOutputs on DerivationOutputs(path);
create table if not exists SchemaMigrations (migration text primary key not null);
`;

/** What a derivation's registration says about its outputs. */
export type OutputPaths = ReadonlyMap<string, StorePath>;

export interface Registration {
  readonly info: PathInfo;
  /** For a `.drv`: where its outputs will be. */
  readonly outputs?: OutputPaths | undefined;
}

export class StoreDatabase implements Disposable {
  readonly #layout: StoreLayout;
  readonly #database: Database;
  readonly #bigLock: FileLock | undefined;

  private constructor(layout: StoreLayout, database: Database, bigLock: FileLock | undefined) {
    this.#layout = layout;
    this.#database = database;
    this.#bigLock = bigLock;
  }

  /** Opens the database of a store, making it when there is none. */
  static async open(layout: StoreLayout, options: { readonly readOnly?: boolean } = {}): Promise<StoreDatabase> {
    const directory = layout.databaseDir;
    const file = `${directory}/db.sqlite`;
    if (options.readOnly === true) return new StoreDatabase(layout, new Database(file, { readOnly: true }), undefined);
    await ensureDirectory(directory, 0o755);
    const bigLock = await lockFile(`${directory}/big-lock`, { mode: "shared", waitMs: UPGRADE_WAIT_MS });
    try {
      const version = (await readTextIfPresent(`${directory}/schema`))?.trim();
      if (version !== undefined && version !== SCHEMA_VERSION) {
        throw new OperationError("STORE_SCHEMA_UNKNOWN", `the store database in ${directory} has schema ${version}`, {
          hint: `this program knows schema ${SCHEMA_VERSION}; open the store once with a current Nix to upgrade it`,
        });
      }
      const database = new Database(file);
      database.execute("pragma foreign_keys = 1; pragma synchronous = normal");
      database.execute("pragma journal_mode = wal; pragma wal_autocheckpoint = 40000");
      if (version === undefined) {
        database.execute(SCHEMA);
        await writeFileAtomic(`${directory}/schema`, SCHEMA_VERSION);
      }
      if (!(await exists(`${directory}/reserved`))) {
        await writeFileAtomic(`${directory}/reserved`, Buffer.alloc(RESERVED_BYTES, "X"), {
          mode: 0o600,
          durable: false,
        });
      }
      return new StoreDatabase(layout, database, bigLock);
    } catch (error) {
      bigLock.release();
      throw error;
    }
  }

  close(): void {
    this.#database.close();
    this.#bigLock?.release();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  isValid(path: StorePath): boolean {
    return this.#database.row("select 1 from ValidPaths where path = ?", this.#text(path)) !== undefined;
  }

  pathInfo(path: StorePath): PathInfo | undefined {
    const row = this.#database.row(
      "select id, path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca from ValidPaths where path = ?",
      this.#text(path),
    );
    return row === undefined ? undefined : this.#infoOf(row);
  }

  /** All valid paths, sorted. */
  allPaths(): StorePath[] {
    return this.#database.rows("select path from ValidPaths order by path").map((row) => this.#path(row["path"]));
  }

  /** The whole graph at once, for collection: base names, their references and their sizes. */
  graph(): Map<
    string,
    { readonly references: readonly string[]; readonly narSize: number; readonly deriver?: string }
  > {
    const prefix = this.#layout.storeDir.length + 1;
    const nodes = new Map<number, { readonly name: string; readonly references: string[] }>();
    const graph = new Map<string, { references: string[]; narSize: number; deriver?: string }>();
    for (const row of this.#database.rows("select id, path, narSize, deriver from ValidPaths")) {
      const name = String(row["path"]).slice(prefix);
      const references: string[] = [];
      nodes.set(Number(row["id"]), { name, references });
      const deriver = row["deriver"];
      graph.set(name, {
        references,
        narSize: Number(row["narSize"] ?? 0),
        ...(typeof deriver === "string" ? { deriver: deriver.slice(prefix) } : {}),
      });
    }
    for (const row of this.#database.rows("select referrer, reference from Refs")) {
      const referrer = nodes.get(Number(row["referrer"]));
      const reference = nodes.get(Number(row["reference"]));
      if (referrer !== undefined && reference !== undefined) referrer.references.push(reference.name);
    }
    return graph;
  }

  references(path: StorePath): StorePath[] {
    const row = this.#database.row("select id from ValidPaths where path = ?", this.#text(path));
    return row === undefined ? [] : this.#referencesOf(Number(row["id"]));
  }

  referrers(path: StorePath): StorePath[] {
    return this.#database
      .rows(
        "select path from Refs join ValidPaths on referrer = id where reference = (select id from ValidPaths where path = ?) order by path",
        this.#text(path),
      )
      .map((row) => this.#path(row["path"]));
  }

  /** The outputs that valid derivations say they have at this path's derivation. */
  outputsOf(drvPath: StorePath): Map<string, StorePath> {
    const rows = this.#database.rows(
      "select d.id, d.path from DerivationOutputs d join ValidPaths v on d.drv = v.id where v.path = ? order by d.id",
      this.#text(drvPath),
    );
    return new Map(rows.map((row) => [String(row["id"]), this.#path(row["path"])]));
  }

  /** Valid derivations that make this path. */
  validDerivers(path: StorePath): StorePath[] {
    return this.#database
      .rows(
        "select v.path from DerivationOutputs d join ValidPaths v on d.drv = v.id where d.path = ? order by v.path",
        this.#text(path),
      )
      .map((row) => this.#path(row["path"]));
  }

  /** Makes paths valid, all or none. References must be valid already or be among them. */
  register(registrations: readonly Registration[]): void {
    const database = this.#database;
    database.transaction(() => {
      const ids = new Map<string, number>();
      for (const { info, outputs } of registrations) {
        const id = this.#upsert(info);
        ids.set(info.path.baseName, id);
        for (const [name, path] of outputs ?? []) {
          database.run(
            "insert or replace into DerivationOutputs (drv, id, path) values (?, ?, ?)",
            id,
            name,
            this.#text(path),
          );
        }
      }
      for (const { info } of registrations) {
        const referrer = ids.get(info.path.baseName)!;
        for (const reference of info.references) {
          const id = ids.get(reference.baseName) ?? this.#idOf(reference);
          if (id === undefined) {
            throw new OperationError(
              "REFERENCE_INVALID",
              `${this.#text(info.path)} refers to ${this.#text(reference)}, which is not valid in this store`,
            );
          }
          database.run("insert or replace into Refs (referrer, reference) values (?, ?)", referrer, id);
        }
      }
    });
  }

  addSignatures(path: StorePath, signatures: readonly string[]): void {
    this.#database.transaction(() => {
      const known = this.pathInfo(path)?.signatures;
      if (known === undefined) return;
      const all = [...new Set([...known, ...signatures])].sort();
      this.#database.run("update ValidPaths set sigs = ? where path = ?", all.join(" "), this.#text(path));
    });
  }

  /** Makes paths invalid, in one transaction; those that still have other referrers stop it. */
  invalidate(paths: readonly StorePath[]): void {
    this.#database.transaction(() => {
      for (const path of paths) this.#database.run("delete from ValidPaths where path = ?", this.#text(path));
    });
  }

  /** Gives space back to the file system after many deletions. */
  checkpoint(): void {
    this.#database.execute("pragma wal_checkpoint(truncate)");
  }

  #upsert(info: PathInfo): number {
    const values = [
      info.narHash.render("base16"),
      info.registrationTime === 0 ? Math.floor(Date.now() / 1000) : info.registrationTime,
      info.deriver === undefined ? null : this.#text(info.deriver),
      info.narSize,
      info.ultimate ? 1 : null,
      info.signatures.length === 0 ? null : info.signatures.join(" "),
      info.contentAddress ?? null,
    ] as const;
    const known = this.#idOf(info.path);
    if (known !== undefined) {
      this.#database.run(
        "update ValidPaths set hash = ?, registrationTime = ?, deriver = ?, narSize = ?, ultimate = ?, sigs = ?, ca = ? where id = ?",
        ...values,
        known,
      );
      return known;
    }
    return this.#database.run(
      "insert into ValidPaths (path, hash, registrationTime, deriver, narSize, ultimate, sigs, ca) values (?, ?, ?, ?, ?, ?, ?, ?)",
      this.#text(info.path),
      ...values,
    ).lastId;
  }

  #idOf(path: StorePath): number | undefined {
    const row = this.#database.row("select id from ValidPaths where path = ?", this.#text(path));
    return row === undefined ? undefined : Number(row["id"]);
  }

  #referencesOf(id: number): StorePath[] {
    return this.#database
      .rows("select path from Refs join ValidPaths on reference = id where referrer = ? order by path", id)
      .map((row) => this.#path(row["path"]));
  }

  #infoOf(row: SqlRow): PathInfo {
    const hash = Hash.parse(String(row["hash"]));
    if (!hash.ok) throw new FormatError("store database", `bad hash of ${String(row["path"])}`);
    const { deriver, sigs, ca } = row;
    return {
      path: this.#path(row["path"]),
      narHash: hash.value,
      narSize: Number(row["narSize"] ?? 0),
      references: this.#referencesOf(Number(row["id"])),
      ...(typeof deriver === "string" ? { deriver: this.#path(deriver) } : {}),
      signatures: typeof sigs === "string" && sigs !== "" ? sigs.split(" ") : [],
      ...(typeof ca === "string" && ca !== "" ? { contentAddress: ca } : {}),
      ultimate: row["ultimate"] === 1,
      registrationTime: Number(row["registrationTime"]),
    };
  }

  #text(path: StorePath): string {
    return path.render(this.#layout.storeDir);
  }

  #path(text: unknown): StorePath {
    return StorePath.ofFull(String(text), this.#layout.storeDir);
  }
}
