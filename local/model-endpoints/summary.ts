import type { Passage } from "./passage.ts";
import type { Random } from "./seeded.ts";

const COUNTS: Readonly<Record<string, number>> = {
  a: 1,
  one: 1,
  single: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
};
const MAX_SENTENCES = 8;
/** How far the lab's own taste may move a sentence up or down. */
const TASTE = 0.7;

/** The sentences that say most of a text, in the text's order: as many as the task asks for. */
export function summarise(passage: Passage, random: Random): string {
  const wanted = sentencesWanted(passage);
  const chosen = bestSentences(passage, wanted, random);
  const maxWords = /\b(?:in|under|at most|than|within|of)\s+(\d{1,3})\s+words?\b/i.exec(passage.task)?.[1];
  if (/\bbullets?\b|\bbullet[- ]points?\b/i.test(passage.task)) {
    return chosen.map((sentence) => `- ${sentence}`).join("\n");
  }
  const text = chosen.join(" ");
  return maxWords === undefined ? text : cutToWords(text, Number(maxWords));
}

export function bestSentences(passage: Passage, count: number, random: Random): string[] {
  const { sentences, weights } = passage;
  const scored = sentences.map((sentence, index) => {
    const words = sentence.toLowerCase().match(/[\p{L}]{4,}/gu) ?? [];
    const weight = words.reduce((sum, word) => sum + (weights.get(word) ?? 0), 0);
    // A long sentence has more words by being long; the first one usually says what it is about.
    const score = (weight / Math.sqrt(words.length + 1)) * (1 + TASTE * random()) * (index === 0 ? 1.2 : 1);
    return { index, score };
  });
  return scored
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, count)
    .sort((a, b) => a.index - b.index)
    .map(({ index }) => sentences[index] ?? "");
}

function sentencesWanted(passage: Passage): number {
  const found =
    /\b(a|one|single|two|three|four|five|\d)\s+(?:\w+\s+)?(?:sentence|bullet|point|line)s?\b/i.exec(
      passage.task,
    );
  const word = found?.[1]?.toLowerCase();
  if (word === undefined) return passage.sentences.length <= 3 ? 1 : 2;
  return Math.min(COUNTS[word] ?? Number(word), MAX_SENTENCES);
}

function cutToWords(text: string, maxWords: number): string {
  const words = text.split(" ");
  if (words.length <= maxWords) return text;
  return `${words
    .slice(0, maxWords)
    .join(" ")
    .replace(/[,;:.\s]+$/, "")}.`;
}
