/**
 * The decimal digits of a float as Nix's JSON library finds them: by Grisu2 (F. Loitsch, "Printing Floating-Point Numbers
 * Quickly and Accurately with Integers", 2010).
 *
 * They read back as the same float, but about one time in a thousand they are not the shortest that do; derivations with
 * structured attributes hold them, so the same ones have to be found.
 */

/** `significand * 2^exponent`. */
interface BinaryFloat {
  readonly significand: bigint;
  readonly exponent: number;
}

export interface FloatDigits {
  readonly digits: string;
  /** The value is `digits * 10^exponent`. */
  readonly exponent: number;
}

const PRECISION = 64;
const FRACTION_BITS = 52n;
const HIDDEN_BIT = 1n << FRACTION_BITS;
const EXPONENT_BIAS = 1075;
/** Binary exponents of scaled numbers are between these. */
const ALPHA = -60;
const POWER_MIN = -300;
const POWER_STEP = 8;

function bitLength(value: bigint): number {
  return value.toString(2).length;
}

function normalized({ significand, exponent }: BinaryFloat): BinaryFloat {
  const shift = PRECISION - bitLength(significand);
  return { significand: significand << BigInt(shift), exponent: exponent - shift };
}

/** The upper half of the product, rounded. */
function multiply(left: BinaryFloat, right: BinaryFloat): BinaryFloat {
  const product = left.significand * right.significand + (1n << 63n);
  return { significand: product >> 64n, exponent: left.exponent + right.exponent + PRECISION };
}

const powers = new Map<number, BinaryFloat>();

/** `10^power`, to 64 bits, rounded to nearest. */
function powerOfTen(power: number): BinaryFloat {
  let found = powers.get(power);
  if (found === undefined) {
    found = power >= 0 ? rounded(10n ** BigInt(power), 1n) : rounded(1n, 10n ** BigInt(-power));
    powers.set(power, found);
  }
  return found;
}

function rounded(numerator: bigint, denominator: bigint): BinaryFloat {
  let shift = PRECISION - (bitLength(numerator) - bitLength(denominator));
  const quotientAt = (bits: number): bigint => {
    const [top, bottom] =
      bits >= 0 ? [numerator << BigInt(bits), denominator] : [numerator, denominator << BigInt(-bits)];
    return (2n * top + bottom) / (2n * bottom);
  };
  while (bitLength(quotientAt(shift)) > PRECISION) shift--;
  return { significand: quotientAt(shift), exponent: -shift };
}

/** The power of ten that scales a number with this binary exponent into range; a multiple of eight, off by 300. */
function scalingPower(exponent: number): number {
  const wanted = ALPHA - exponent - 1;
  const power = Math.trunc((wanted * 78_913) / (1 << 18)) + (wanted > 0 ? 1 : 0);
  return POWER_MIN + Math.trunc((-POWER_MIN + power + (POWER_STEP - 1)) / POWER_STEP) * POWER_STEP;
}

/** The digits of a finite float above zero. */
export function floatDigits(value: number): FloatDigits {
  const bits = new BigUint64Array(new Float64Array([value]).buffer)[0]!;
  const fraction = bits & (HIDDEN_BIT - 1n);
  const biased = Number(bits >> FRACTION_BITS);
  const exact: BinaryFloat =
    biased === 0
      ? { significand: fraction, exponent: 1 - EXPONENT_BIAS }
      : { significand: fraction + HIDDEN_BIT, exponent: biased - EXPONENT_BIAS };
  const isLowerCloser = fraction === 0n && biased > 1;
  const upper = normalized({ significand: 2n * exact.significand + 1n, exponent: exact.exponent - 1 });
  const below: BinaryFloat = isLowerCloser
    ? { significand: 4n * exact.significand - 1n, exponent: exact.exponent - 2 }
    : { significand: 2n * exact.significand - 1n, exponent: exact.exponent - 1 };
  const lower: BinaryFloat = {
    significand: below.significand << BigInt(below.exponent - upper.exponent),
    exponent: upper.exponent,
  };
  const power = scalingPower(upper.exponent);
  const scale = powerOfTen(power);
  const high = multiply(upper, scale);
  const low = multiply(lower, scale);
  const wanted = multiply(normalized(exact), scale);
  // The scaled bounds are off by less than one unit.
  const top: BinaryFloat = { significand: high.significand - 1n, exponent: high.exponent };
  return generate(top, low.significand + 1n, wanted.significand, -power);
}

/** Digits of the number below `top` that is closest to `wanted`, as few as lie above `bottom`. */
function generate(top: BinaryFloat, bottom: bigint, wanted: bigint, scaledBy: number): FloatDigits {
  const shift = BigInt(-top.exponent);
  const one = 1n << shift;
  let width = top.significand - bottom;
  let distance = top.significand - wanted;
  const whole = String(top.significand >> shift);
  let rest = top.significand & (one - 1n);
  for (let taken = 1; taken <= whole.length; taken++) {
    const unit = 10n ** BigInt(whole.length - taken);
    const left = (((top.significand >> shift) % unit) << shift) + rest;
    if (left > width) continue;
    const digits = approach(whole.slice(0, taken), { distance, width, rest: left, unit: unit << shift });
    return { digits, exponent: scaledBy + whole.length - taken };
  }
  let digits = whole;
  for (let exponent = scaledBy - 1; ; exponent--) {
    rest *= 10n;
    digits += String(rest >> shift);
    rest &= one - 1n;
    width *= 10n;
    distance *= 10n;
    if (rest <= width) return { digits: approach(digits, { distance, width, rest, unit: one }), exponent };
  }
}

/** Lowers the last digit while that brings the number closer to the wanted one. */
function approach(
  digits: string,
  gap: { readonly distance: bigint; readonly width: bigint; readonly rest: bigint; readonly unit: bigint },
): string {
  const { distance, width, unit } = gap;
  let { rest } = gap;
  let last = Number(digits.at(-1));
  while (
    rest < distance &&
    width - rest >= unit &&
    (rest + unit < distance || distance - rest > rest + unit - distance)
  ) {
    last--;
    rest += unit;
  }
  return digits.slice(0, -1) + String(last);
}
