/**
 * The local store of all tests that build a system: it stays in the user's cache, so that a package is fetched and
 * unpacked once and not for every test file.
 */

import { join } from "node:path";
import { cacheDirectory } from "../../src/system/directories.ts";

export const TEST_STORE_ROOT: string = join(cacheDirectory(), "test-store");

/** As `pristine --store` takes it. */
export const TEST_STORE: string = `local?root=${TEST_STORE_ROOT}`;
