/** Sums are reckoned in units of 10^-18: prices of 12 decimals for a millionth of a million tokens are still exact. */
export const DECIMALS = 18;

/** A decimal, by its shortest text, in units of 10^-18. Further decimals are cut. */
export function unitsOf(value: number | string): bigint {
  const [mantissa = "0", exponent = "0"] = String(value).toLowerCase().split("e");
  const [whole = "0", fraction = ""] = mantissa.split(".");
  const shift = DECIMALS - fraction.length + Number(exponent);
  const digits = BigInt(whole + fraction);
  return shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
}

/** The decimal of so many units. */
export function decimalOf(units: bigint, decimals = DECIMALS): string {
  if (units < 0n) return `-${decimalOf(-units, decimals)}`;
  const digits = units.toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, -decimals);
  const fraction = digits.slice(-decimals).replace(/0+$/, "");
  return fraction === "" ? whole : `${whole}.${fraction}`;
}
