/** A real Nix fetches the same trees, tells the same of them, and refuses what is wrong in the same words. */

import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { FETCH_CASES } from "./fetch-cases.ts";
import { compareFetches } from "./fetch-comparison.ts";
import { makeMaterial } from "./fetch-material.ts";

const directory = realpathSync(mkdtempSync(join(tmpdir(), "pristine-oracle-fetch-")));
after(() => rmSync(directory, { recursive: true, force: true }));
mkdirSync(join(directory, "material"));
const material = await makeMaterial(join(directory, "material"));
after(() => material.close());

await compareFetches(FETCH_CASES(material), { directory, from: material.directory });
