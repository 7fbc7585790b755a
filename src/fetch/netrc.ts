/** `netrc` files: logins by host, as curl reads them. */

import { readTextIfPresent } from "../system/files.ts";

interface NetrcEntry {
  /** Absent for the `default` entry. */
  readonly machine: string | undefined;
  readonly login: string;
  readonly password: string;
}

/** The entries of a file; what is not understood is passed over. */
function parseNetrc(text: string): readonly NetrcEntry[] {
  const words = wordsOf(text);
  const entries: { machine: string | undefined; login: string; password: string }[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index];
    if (word === "default") entries.push({ machine: undefined, login: "", password: "" });
    else if (word === "machine") entries.push({ machine: words[++index], login: "", password: "" });
    else if (word === "login" || word === "password") {
      const value = words[++index] ?? "";
      const entry = entries.at(-1);
      if (entry !== undefined) entry[word] = value;
    } else if (word === "account" || word === "macdef") index++;
  }
  return entries;
}

function wordsOf(text: string): readonly string[] {
  const lines = text.split("\n").filter((line) => !line.trimStart().startsWith("#"));
  return [...lines.join("\n").matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, plain]) => plain ?? quoted!.replace(/\\(.)/g, "$1"),
  );
}

/** The first entry for a host, or the one for all others. */
function credentialsFor(entries: readonly NetrcEntry[], host: string): NetrcEntry | undefined {
  return entries.find(({ machine }) => machine === undefined || machine.toLowerCase() === host.toLowerCase());
}

/** `LOGIN:PASSWORD` for a host, when the file at `path` has one. */
export async function loginOf(host: string, path: string | undefined): Promise<string | undefined> {
  const text = path === undefined ? undefined : await readTextIfPresent(path);
  const found = text === undefined ? undefined : credentialsFor(parseNetrc(text), host);
  return found === undefined ? undefined : `${found.login}:${found.password}`;
}
