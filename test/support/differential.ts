/** Evaluates the same Nix files here and by a real Nix, many in one process, and says where the two disagree. */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { oracleCommand } from "../../scripts/oracle.ts";
import { textOfByteString } from "../../src/base/byte-string.ts";
import type { EvaluationRequest } from "../../src/realise/evaluate.ts";
import { evaluateMany, type Outcome } from "./evaluate-many.ts";

export type Form = "value" | "json" | "xml";

/** A value as text, or the message of the error. */
export interface Said {
  readonly ok: boolean;
  readonly text: string;
}

/** Where the files are, and what their evaluation sees. */
export interface Setting {
  /** The directory that holds the files. */
  readonly directory: string;
  readonly nixDir: string;
  /** As `-I` takes them. */
  readonly searchPath: readonly string[];
}

const FORM_FLAGS: Readonly<Record<Form, readonly string[]>> = { value: [], json: ["--json"], xml: ["--xml"] };

const MARK = "pristine-mark";
/** The mark as it is printed: as a value, as JSON or as XML. */
const MARKED = /"pristine-mark"\n|<\?xml[^>]*>\n<expr>\n {2}<string value="pristine-mark" \/>\n<\/expr>\n/;

/** Seconds that one process may take for all files that are left. */
const PROCESS_SECONDS_MAX = 60;

/** Puts the file whose value marks an end where the files are. */
export function writeMark(directory: string): void {
  writeFileSync(join(directory, "mark.nix"), `"${MARK}"`);
}

// One process evaluates file after file until one fails; the next goes on behind that one. Between two of them comes a
// file whose value marks the end of what was printed before.
const LOOP = `
cd "$1"; answers=$2; flags=$3; shift 3; at=0
while [ $at -lt $# ]; do
  rest=(); for file in "\${@:at+1}"; do rest+=("$file" mark.nix); done
  timeout -k 1 ${PROCESS_SECONDS_MAX} nix-instantiate --eval --strict --read-write-mode $flags "\${rest[@]}" \\
    >"$answers/out.$at" 2>"$answers/err.$at" && break
  done=$(grep -c "${MARK}" "$answers/out.$at"); at=$((at+done+1))
done
`;

/** What the real Nix says about files of the setting's directory. */
export async function saidByNix(setting: Setting, files: readonly string[], form: Form): Promise<readonly Said[]> {
  const answers = mkdtempSync(join(tmpdir(), "pristine-differential-"));
  try {
    const flags = [...FORM_FLAGS[form], ...setting.searchPath.flatMap((element) => ["-I", element])];
    const command = ["bash", "-c", LOOP, "loop", setting.directory, answers, flags.join(" "), ...files];
    const { argv, env } = oracleCommand(command, { nixDir: setting.nixDir, bind: [setting.directory, answers] });
    await finished(argv, env);
    return collect(answers, files.length);
  } finally {
    rmSync(answers, { recursive: true, force: true });
  }
}

function finished(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((settle, fail) => {
    const child = spawn(argv[0]!, argv.slice(1), { env, stdio: ["ignore", "ignore", "inherit"] });
    child.on("error", fail).on("close", () => settle());
  });
}

function collect(answers: string, count: number): Said[] {
  const said: Said[] = [];
  while (said.length < count) {
    const start = said.length;
    const path = join(answers, `out.${start}`);
    if (!existsSync(path)) throw new Error(`the oracle stopped before file ${start}`);
    const values = textOfByteString(readFileSync(path, "latin1")).split(MARKED);
    for (const text of values.slice(0, -1)) said.push({ ok: true, text: comparable(text.replace(/\n$/, "")) });
    if (said.length < count)
      said.push({
        ok: false,
        text: messageOf(textOfByteString(readFileSync(join(answers, `err.${start}`), "latin1"))),
      });
  }
  return said;
}

/** Our source of `derivation` is our own, so what it defines stands at other places. */
function comparable(text: string): string {
  return text.replace(
    /column="\d+" line="\d+" ([^>]*path=")[^"]*derivation-internal\.nix/g,
    "$1derivation-internal.nix",
  );
}

/** The first line of the message in an error as Nix shows it. */
export function messageOf(shown: string): string {
  const lines = shown.split("\n").filter((line) => /^\s*error:/.test(line));
  return lines.at(-1)?.replace(/^\s*error: ?/, "") ?? `no message: ${shown.slice(-200)}`;
}

/** What our evaluator says about the same files. */
export async function saidByUs(setting: Setting, files: readonly string[], form: Form): Promise<readonly Said[]> {
  const requests = files.map((file): EvaluationRequest => ({
    file,
    baseDir: setting.directory,
    output: form,
    strict: true,
    readWrite: true,
    experimentalFeatures: ["nix-command", "flakes"],
    searchPath: setting.searchPath,
    env: { HOME: "/root" },
  }));
  return await saidByHalves(requests);
}

/** One program can take all of a thread's memory: then the others are evaluated apart from it. */
async function saidByHalves(requests: readonly EvaluationRequest[]): Promise<readonly Said[]> {
  try {
    const outcomes = await evaluateMany(requests);
    return outcomes.map((outcome, index) => saidOf(outcome, requests[index]!));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_WORKER_OUT_OF_MEMORY") throw error;
    if (requests.length === 1) return [{ ok: false, text: "out of memory" }];
    const half = requests.length >> 1;
    return [...(await saidByHalves(requests.slice(0, half))), ...(await saidByHalves(requests.slice(half)))];
  }
}

function saidOf(outcome: Outcome, { output }: EvaluationRequest): Said {
  // An XML document ends its last line, where other values end as what is in them does.
  if (outcome.ok)
    return { ok: true, text: comparable(output === "xml" ? outcome.text.replace(/\n$/, "") : outcome.text) };
  return { ok: false, text: outcome.code === "BUG" ? `BUG: ${outcome.text}` : messageOf(outcome.text) };
}

export function isSame(ours: Said, nix: Said): boolean {
  if (ours.ok !== nix.ok) return false;
  if (ours.ok) return ours.text === nix.text;
  const [mine, other] = [comparableMessage(ours.text), comparableMessage(nix.text)];
  // What Nix shows as a thunk within a value was not needed yet, where ours may already be there.
  const shown = other.indexOf("«thunk»");
  return shown < 0 ? mine === other : mine.slice(0, shown) === other.slice(0, shown);
}

/** What messages may differ in, with the reasons. */
function comparableMessage(message: string): string {
  return (
    message
      // Written to a terminal's columns.
      .replace(/\s+/g, " ")
      // Where nothing is built, there is no build that could fail.
      .replace(/^cannot build '.*/i, "cannot build")
      // Directories grow while programs are written to them.
      .replace(/^read of \d+ bytes: /, "read: ")
      // The reasons are those of another library.
      .replace(/^(while parsing TOML: ).*/, "$1…")
  );
}
