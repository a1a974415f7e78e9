/**
 * Whether one of several may take more of something scarce. Its part is at most so many times what is left free:
 * nothing is set apart for anybody, yet one alone leaves something free, several leave something, and whoever has
 * nothing begins at once. (Dynamic thresholds: Choudhury and Hahne, 1998.)
 * @param amount asked for
 * @param mine what it has
 * @param free what nobody has
 * @param times ONE_HALF: one alone gets half of it all; the others likewise. Times its weight, where there are weights
 */
export function mayTake(amount: number, mine: number, free: number, times: number): boolean {
  return amount <= free && (mine === 0 || mine + amount <= times * free);
}

export const ONE_HALF = 1;
export const THREE_QUARTERS = 3;
export const SEVEN_EIGHTHS = 7;

/** Weights count against those who are there: one alone is not held to its weight. */
export function relativeWeight(
  id: string,
  present: Iterable<string>,
  weightOf: (id: string) => number,
): number {
  const own = weightOf(id);
  let most = own;
  for (const other of present) most = Math.max(most, weightOf(other));
  return own / most;
}
