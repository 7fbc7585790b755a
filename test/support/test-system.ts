/**
 * The system that machine tests boot: `PRISTINE_TEST_SYSTEM` names its store path, `PRISTINE_TEST_NIX` the directory that
 * holds it as `store/…` (and `var/nix/db`, when it is a real store).
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { Bootstrap } from "../../src/lab/lab.ts";

export function testSystem(): Bootstrap | undefined {
  const system = process.env["PRISTINE_TEST_SYSTEM"];
  const nix = process.env["PRISTINE_TEST_NIX"];
  if (system === undefined || nix === undefined || process.geteuid?.() !== 0) return undefined;
  return {
    system,
    seed: (root) => {
      mkdirSync(`${root}/nix/store`, { recursive: true });
      mkdirSync(`${root}/nix/var/nix`, { recursive: true });
      const paths = closure(nix, system).map((path) => `${nix}/store/${path.slice("/nix/store/".length)}`);
      execFileSync("cp", ["-a", "--", ...paths, `${root}/nix/store/`]);
      return Promise.resolve();
    },
  };
}

/** As the store's database has it; without one, all that is in the store. */
function closure(nix: string, system: string): string[] {
  const database = `${nix}/var/nix/db/db.sqlite`;
  if (!existsSync(database)) {
    return execFileSync("ls", [`${nix}/store`], { encoding: "utf8" })
      .split("\n")
      .filter((name) => /^[0-9a-z]{32}-/.test(name))
      .map((name) => `/nix/store/${name}`);
  }
  using db = new DatabaseSync(database, { readOnly: true });
  const rows = db
    .prepare(
      `with recursive closure(id) as (
         select id from ValidPaths where path = ? union select r.reference from Refs r join closure c on r.referrer = c.id)
       select path from ValidPaths where id in (select id from closure)`,
    )
    .all(system);
  return rows.map((row) => String(row["path"]));
}
