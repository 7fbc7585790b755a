/** The `pristine` program. */

import { startProgram } from "../system/bundle.ts";
import { writeOutput } from "../system/standard-output.ts";

declare const PRISTINE_VERSION: string;

// Asked for by scripts, and answered without loading anything.
if (process.argv.length === 3 && process.argv[2] === "--version") writeOutput(`${PRISTINE_VERSION}\n`);
else startProgram("cli", require);
