/** The exact sum of decimals written as text, as costs are: `0.1` and `0.2` are `0.3`. */
export function decimalSum(amounts: readonly string[]): string {
  const parts = amounts.map((amount) => amount.split("."));
  const digits = Math.max(0, ...parts.map(([, fraction = ""]) => fraction.length));
  const sum = parts.reduce(
    (total, [whole = "", fraction = ""]) => total + BigInt(whole + fraction.padEnd(digits, "0")),
    0n,
  );
  const text = (sum < 0n ? -sum : sum).toString().padStart(digits + 1, "0");
  const [whole, fraction] = [text.slice(0, text.length - digits), text.slice(text.length - digits)];
  return `${sum < 0n ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}
