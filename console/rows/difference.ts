/** A stretch of a text: whether another text has it, in the same order. */
export interface Stretch {
  readonly text: string;
  readonly isOther: boolean;
}

/** Beyond so many words nobody reads marks, and finding them would hold the page up. */
const MAX_WORDS = 1_500;

/**
 * A text in stretches, those marked that another does not have: what is left of its words beside the longest sequence
 * that both have. Undefined: one of them is too long.
 */
export function differing(other: string, text: string): readonly Stretch[] | undefined {
  const [before, after] = [wordsOf(other), wordsOf(text)];
  if (before.length > MAX_WORDS || after.length > MAX_WORDS) return undefined;
  const width = after.length + 1;
  // At [i][j]: how many words both have in common from there on.
  const common = new Uint16Array((before.length + 1) * width);
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      common[i * width + j] =
        before[i]?.trim() === after[j]?.trim() ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const stretches: { text: string; isOther: boolean }[] = [];
  for (let i = 0, j = 0; j < after.length; ) {
    const word = after[j] ?? "";
    const isSame = i < before.length && before[i]?.trim() === word.trim();
    if (!isSame && i < before.length && at(i + 1, j) >= at(i, j + 1)) {
      i++;
      continue;
    }
    const last = stretches.at(-1);
    if (last?.isOther === !isSame) last.text += word;
    else stretches.push({ text: word, isOther: !isSame });
    if (isSame) i++;
    j++;
  }
  return stretches;
}

/** Each word with the space after it: together they are the text. */
const wordsOf = (text: string): readonly string[] => text.match(/^\s+|\S+\s*/g) ?? [];
