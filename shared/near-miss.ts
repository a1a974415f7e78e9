/**
 * The name that was probably meant; undefined: the name is known, or like none that is. Names that differ in their
 * digits alone are of two things (`gpt-4`, `gpt-5`).
 * @param known the names that mean something here
 * @param most slips that may lie between the two
 */
export function nearMiss(
  name: string,
  known: Iterable<string>,
  most = name.length < 4 ? 1 : 2,
): string | undefined {
  let nearest: string | undefined;
  let least = most + 1;
  for (const each of known) {
    if (each === name) return undefined;
    if (withoutDigits(each) === withoutDigits(name)) continue;
    const distance = Math.abs(each.length - name.length) > most ? least : editsBetween(name, each);
    if (distance < least) [nearest, least] = [each, distance];
  }
  return nearest;
}

const withoutDigits = (name: string) => name.replace(/\d+/g, "#");

/** Characters to add, drop, replace or swap with their neighbour (optimal string alignment). */
function editsBetween(one: string, other: string): number {
  let before: number[] = [];
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      const swapped = isSwap ? (before[j - 2] ?? 0) + 1 : Infinity;
      next.push(Math.min(replaced, swapped, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    [before, row] = [row, next];
  }
  return row[other.length] ?? 0;
}
