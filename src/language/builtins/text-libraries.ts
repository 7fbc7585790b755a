/** Temporary: stands in for posix-regex.ts and versions.ts. */

export interface RegexMatch {
  readonly start: number;
  readonly end: number;
  readonly groups: readonly (string | undefined)[];
}

export interface Regex {
  matchWhole(text: string): readonly (string | undefined)[] | undefined;
  matchAll(text: string): readonly RegexMatch[];
}

export function compileRegex(pattern: string): { ok: true; value: Regex } | { ok: false; error: string } {
  let translated = pattern.replace(
    /\[:(\w+):\]/g,
    (_, name: string) =>
      ({
        space: "\\s",
        alpha: "a-zA-Z",
        digit: "0-9",
        alnum: "a-zA-Z0-9",
        upper: "A-Z",
        lower: "a-z",
        xdigit: "0-9a-fA-F",
        punct: "!-\\/:-@\\[-`{-~",
        blank: " \\t",
        print: " -~",
      })[name] ?? "",
  );
  translated = translated.replace(/\[\]/g, "[\\]").replace(/\[\^\]/g, "[^\\]");
  try {
    const whole = new RegExp(`^(?:${translated})$`, "s");
    const any = new RegExp(translated, "gs");
    return {
      ok: true,
      value: {
        matchWhole: (text) => {
          const found = whole.exec(text);
          return found === null ? undefined : found.slice(1);
        },
        matchAll: (text) =>
          [...text.matchAll(any)].map((found) => ({
            start: found.index,
            end: found.index + found[0].length,
            groups: found.slice(1),
          })),
      },
    };
  } catch (error) {
    return { ok: false, error: String(error) };
  }
}

export function splitVersion(version: string): string[] {
  return version.match(/[0-9]+|[^0-9.-]+/g) ?? [];
}

export function compareVersions(left: string, right: string): number {
  const a = splitVersion(left);
  const b = splitVersion(right);
  const less = (x: string, y: string): boolean => {
    const isNumber = (text: string): boolean => /^[0-9]+$/.test(text);
    if (isNumber(x) && isNumber(y)) return BigInt(x) < BigInt(y);
    if (x === "" && isNumber(y)) return true;
    if (x === "pre" && y !== "pre") return true;
    if (y === "pre") return false;
    if (isNumber(y)) return true;
    if (isNumber(x)) return false;
    return x < y;
  };
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const x = a[i] ?? "";
    const y = b[i] ?? "";
    if (less(x, y)) return -1;
    if (less(y, x)) return 1;
  }
  return 0;
}

export function parseDrvName(name: string): { name: string; version: string } {
  const found = /-(?![a-zA-Z])/.exec(name);
  return found === null
    ? { name, version: "" }
    : { name: name.slice(0, found.index), version: name.slice(found.index + 1) };
}
