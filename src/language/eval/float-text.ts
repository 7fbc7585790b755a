/** The decimal forms of floats that Nix shows: C's `%g` when printed, `%f` when coerced to a string. */

import { type Float, POSITIVE_NAN } from "./value.ts";

const TIE_DIGITS = 60;

/** A float of the language or of a program's syntax. */
type FloatLike = Pick<Float, "value">;

function special(float: FloatLike): string | undefined {
  const { value } = float;
  if (Number.isNaN(value)) return float === POSITIVE_NAN ? "nan" : "-nan";
  if (value === Infinity) return "inf";
  if (value === -Infinity) return "-inf";
  return undefined;
}

/** Rounds half to even on exact ties, where JavaScript rounds half up. */
function fixed(value: number, decimals: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e21) return `${BigInt(value)}${decimals > 0 ? `.${"0".repeat(decimals)}` : ""}`;
  const rounded = value.toFixed(decimals);
  const exact = magnitude.toFixed(TIE_DIGITS);
  const rest = exact.slice(exact.indexOf(".") + 1 + decimals);
  const isTie = rest.startsWith("5") && /^50*$/.test(rest);
  const isNegative = value < 0 || Object.is(value, -0);
  const sign = isNegative ? "-" : "";
  if (!isTie) return rounded.startsWith("-") || !isNegative ? rounded : sign + rounded;
  const truncated = exact.slice(0, exact.indexOf(".") + 1 + decimals).replace(/\.$/, "");
  const lastDigit = Number(truncated[truncated.length - 1]);
  return sign + (lastDigit % 2 === 0 ? truncated : magnitude.toFixed(decimals));
}

/** As `toExponential`, but rounds half to even on exact ties. */
function exponential(value: number, decimals: number): string {
  const [mantissa = "", power = "0"] = value.toExponential(TIE_DIGITS).split("e");
  const cut = mantissa.indexOf(".") + 1 + decimals;
  const isEvenTie = /^50*$/.test(mantissa.slice(cut)) && Number(mantissa[cut - 1]) % 2 === 0;
  return isEvenTie ? `${mantissa.slice(0, cut)}e${power}` : value.toExponential(decimals);
}

/** `%f`: six decimals. */
export function renderFloatFixed(float: FloatLike): string {
  return special(float) ?? fixed(float.value, 6);
}

/** `%g`: six significant digits, trailing zeros dropped. */
export function renderFloatGeneral(float: FloatLike): string {
  const named = special(float);
  if (named !== undefined) return named;
  const { value } = float;
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa = "", power = "0"] = exponential(value, 5).split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return dropTrailingZeros(fixed(value, 5 - exponent));
  const sign = exponent < 0 ? "-" : "+";
  return `${dropTrailingZeros(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function dropTrailingZeros(text: string): string {
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}
