/** Sums of decimal strings, exact: binary fractions would make cents of nothing. */
const DECIMALS = 18;

export function sum(amounts: readonly string[]): string {
  return decimal(amounts.reduce((total, amount) => total + units(amount), 0n));
}

/** Rounded up to so many decimals, since a bill that looks like nothing misleads. */
export function shown(amount: string, decimals: number): string {
  const step = 10n ** BigInt(DECIMALS - decimals);
  const steps = (units(amount) + step - 1n) / step;
  const text = steps.toString().padStart(decimals + 1, "0");
  return `${text.slice(0, -decimals)}.${text.slice(-decimals)}`;
}

function units(amount: string): bigint {
  const found = /^(\d+)(?:\.(\d{1,18}))?$/.exec(amount);
  if (found === null) throw new Error(`"${amount}" is no amount`);
  return BigInt((found[1] ?? "0") + (found[2] ?? "").padEnd(DECIMALS, "0"));
}

function decimal(value: bigint): string {
  const digits = value.toString().padStart(DECIMALS + 1, "0");
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, "");
  return digits.slice(0, -DECIMALS) + (fraction === "" ? "" : `.${fraction}`);
}
