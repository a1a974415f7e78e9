/** A deployment's prices in words, as far as they are plain figures. */
export function pricesOf(price: unknown): readonly (readonly [string, string])[] {
  if (typeof price !== "object" || price === null) return [];
  const { currency } = price as { currency?: unknown };
  return Object.entries(price)
    .filter(([name, value]) => name.endsWith("_per_million") && typeof value === "number")
    .map(([name, value]) => {
      const what = name.replace(/_per_million$/, "").replaceAll("_", " ");
      return [`Price, ${what}`, `${value} ${String(currency)} a million`] as const;
    });
}
