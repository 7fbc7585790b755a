/** The values of number and path literals. */

const INT_MAX = 2n ** 63n - 1n;
/** Decimal numbers of at most this many digits are safe integers. */
const SAFE_DIGITS_MAX = 15;

/** A decimal integer, `undefined` when it does not fit in 64 bits. */
export function parseIntLiteral(digits: string): number | bigint | undefined {
  if (digits.length <= SAFE_DIGITS_MAX) return Number(digits);
  const value = BigInt(digits);
  if (value > INT_MAX) return undefined;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** The least positive number that a double holds with full precision. */
const NORMAL_MIN = 2 ** -1022;

/** A float, `undefined` when it is out of a double's range (as C's `strtod` says by `ERANGE`). */
export function parseFloatLiteral(text: string): number | undefined {
  const value = Number(text);
  if (!Number.isFinite(value)) return undefined;
  if (value < NORMAL_MIN && /[1-9]/.test(text.replace(/[eE].*$/, ""))) return undefined;
  return value;
}

/** An absolute path without empty, `.` and `..` components and without a trailing slash. */
export function canonicalPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return `/${parts.join("/")}`;
}
