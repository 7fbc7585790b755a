/** How Nix writes numbers. */

/** Renders as C's `%.<precision>g`, which C++ streams use with precision 6. */
export function renderGeneral(value: number, precision: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa, exponentText] = value.toExponential(precision - 1).split("e") as [string, string];
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= precision) {
    const digits = Math.abs(exponent).toString().padStart(2, "0");
    return `${dropTrailingZeros(mantissa)}e${exponent < 0 ? "-" : "+"}${digits}`;
  }
  return dropTrailingZeros(value.toFixed(precision - 1 - exponent));
}

/** Renders as C's `%f`: six digits behind the point, whatever the size. */
export function renderFixed(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const magnitude = Math.abs(value);
  // `toFixed` switches to exponents here; such a number is an integer anyway.
  if (magnitude >= 1e21) return `${sign}${BigInt(magnitude).toString()}.000000`;
  return `${sign}${magnitude.toFixed(6)}`;
}

function dropTrailingZeros(digits: string): string {
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}
