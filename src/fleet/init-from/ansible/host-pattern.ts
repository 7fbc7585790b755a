/** Names of hosts as inventories of Ansible write them: with a port, and with ranges (`web[01:20]`, `db-[a:f]`, `n[0:90:10]`). */

import { err, ok, type Result } from "../../../base/result.ts";

/** What one entry of an inventory stands for. */
export interface HostPattern {
  readonly names: readonly string[];
  readonly port?: number;
}

/** A typing error in a range is not to become a million hosts. */
const HOSTS_MAX = 10_000;
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/** `HOST:PORT`, where colons of the host are in brackets. */
const WITH_PORT = /^(?:\[(.+)\]|((?:[^:[\]]|\[[^\]]*\])*)):(\d+)$/;
/** Brackets with a colon in them. */
const RANGE = /\[([^[\]]*:[^[\]]*)\]/;

/** The hosts of an entry in their order, or what is wrong with it. */
export function parseHostPattern(text: string): Result<HostPattern, string> {
  const [, bracketed, named, digits] = WITH_PORT.exec(text) ?? [];
  const pattern = bracketed ?? named ?? text;
  if (pattern === "" || (pattern.endsWith(":") && !pattern.slice(0, -1).includes(":"))) {
    return err(`'${text}' is no name of a host`);
  }
  const names = expandRanges(pattern);
  if (!names.ok) return names;
  return ok({ names: names.value, ...(digits === undefined ? {} : { port: Number(digits) }) });
}

function expandRanges(pattern: string): Result<string[], string> {
  const found = RANGE.exec(pattern);
  if (found === null) return ok([pattern]);
  const steps = stepsOf(found[1]!);
  if (!steps.ok) return err(`the range [${found[1]}] ${steps.error}`);
  const head = pattern.slice(0, found.index);
  const rest = expandRanges(pattern.slice(found.index + found[0].length));
  if (!rest.ok) return rest;
  if (steps.value.length * rest.value.length > HOSTS_MAX) return err(`'${pattern}' is more than ${HOSTS_MAX} hosts`);
  return ok(steps.value.flatMap((step) => rest.value.map((tail) => head + step + tail)));
}

/** `01:20` are numbers with a leading zero, `a:f` letters; a third part is the step. */
function stepsOf(range: string): Result<string[], string> {
  const [given = "", last = "", by = "1", ...more] = range.split(":");
  const first = given === "" ? "0" : given;
  const step = /^\d+$/.test(by) ? Number(by) : 0;
  if (last === "") return err("has no end");
  if (more.length > 0 || step < 1) return err("is not begin:end or begin:end:step");
  const [from, to] = [LETTERS.indexOf(first), LETTERS.indexOf(last)];
  if (first.length === 1 && last.length === 1 && from >= 0 && to >= 0) {
    if (from > to) return err("ends before it begins");
    return ok(Array.from(LETTERS.slice(from, to + 1)).filter((_, index) => index % step === 0));
  }
  if (!/^\d{1,15}$/.test(first) || !/^\d{1,15}$/.test(last)) return err("is neither of numbers nor of letters");
  const isFilled = first.length > 1 && first.startsWith("0");
  if (isFilled && first.length !== last.length) return err("has a leading zero, and an end of another length");
  const [begin, end] = [Number(first), Number(last)];
  if (begin > end) return err("ends before it begins");
  const count = Math.floor((end - begin) / step) + 1;
  if (count > HOSTS_MAX) return err(`is more than ${HOSTS_MAX} hosts`);
  return ok(
    Array.from({ length: count }, (_, index) =>
      String(begin + index * step).padStart(isFilled ? first.length : 0, "0"),
    ),
  );
}
