/** A prompt, taken apart: what is asked, and the text it is asked about. */
export interface Passage {
  readonly task: string;
  readonly text: string;
  readonly sentences: readonly string[];
  /** The words that carry the text, most frequent first, lower case. */
  readonly terms: readonly string[];
  readonly weights: ReadonlyMap<string, number>;
}

/** Only the beginning of a long text is read: an answer is composed for every call, and must stay cheap. */
const MAX_TEXT_CHARS = 8_000;
/** The part after a colon must be at least this long to be a text to work on. */
const MIN_TEXT_CHARS = 25;
const MAX_TASK_CHARS = 300;

const STOP_WORDS = new Set(
  (
    "about above after again against also among because been before being between both came come could does doing done " +
    "down each ever every from further give given goes hath have having here hers herself himself into itself just like " +
    "made make many more most much must myself never nothing only other others ours over said same shall should some " +
    "such than that their theirs them themselves then there these they thing things this those though through thus till " +
    "unto upon very were what when where which while whole whom whose will with within without would your yours with"
  ).split(" "),
);

export function passageOf(instructions: string, prompt: string): Passage {
  const parts = split(prompt.slice(0, MAX_TEXT_CHARS));
  const text = parts.text.replace(/\s+/g, " ").trim();
  const weights = wordWeights(text);
  const terms = [...weights].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([word]) => word);
  return {
    task: `${instructions.slice(0, MAX_TEXT_CHARS)}\n${parts.task}`.trim(),
    text,
    sentences: sentencesOf(text),
    terms,
    weights,
  };
}

function split(prompt: string): { task: string; text: string } {
  const fenced = /"""([\s\S]+?)"""|```\w*\n([\s\S]+?)```|<(text|passage|document)>([\s\S]+?)<\/\3>/.exec(
    prompt,
  );
  if (fenced !== null) {
    const text = fenced[1] ?? fenced[2] ?? fenced[4] ?? "";
    return { task: prompt.replace(fenced[0], " "), text };
  }
  const blank = prompt.indexOf("\n\n");
  if (blank > 0) {
    const head = prompt.slice(0, blank);
    const tail = prompt.slice(blank + 2);
    // The longer half is the text; an instruction may stand before it or after it.
    return head.length <= tail.length ? { task: head, text: tail } : { task: tail, text: head };
  }
  const colon = prompt.slice(0, MAX_TASK_CHARS).lastIndexOf(": ");
  const first = prompt.slice(0, MAX_TASK_CHARS).search(/:\s/);
  const at = prompt.length - colon > MIN_TEXT_CHARS * 2 ? first : -1;
  if (at > 0 && prompt.length - at > MIN_TEXT_CHARS) {
    return { task: prompt.slice(0, at), text: prompt.slice(at + 1) };
  }
  return { task: prompt.slice(0, MAX_TASK_CHARS), text: prompt };
}

const SENTENCE_END = /(?<=[.!?]["'”’)]?)\s+(?=["'“‘(]?[A-Z0-9])/;

function sentencesOf(text: string): string[] {
  return text
    .split(SENTENCE_END)
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== "");
}

function wordWeights(text: string): Map<string, number> {
  const weights = new Map<string, number>();
  for (const [word] of text.toLowerCase().matchAll(/[\p{L}]{4,}/gu)) {
    if (!STOP_WORDS.has(word)) weights.set(word, (weights.get(word) ?? 0) + 1);
  }
  return weights;
}

/** Names of people and places: capitalised words that do not begin a sentence, or runs of several. */
export function namesIn(passage: Passage): string[] {
  const names = new Set<string>();
  for (const sentence of passage.sentences) {
    for (const found of sentence.matchAll(/\p{Lu}[\p{L}’'-]+(?:\s+(?:of\s+)?\p{Lu}[\p{L}’'-]+)*/gu)) {
      const name = found[0];
      const begins = found.index <= 1;
      if (begins && !name.includes(" ")) continue;
      if (!/^(I|The|And|But|It|He|She|They|We|You|My|In|For|Mr|Mrs)$/.test(name)) names.add(name);
    }
  }
  return [...names];
}

const DATE =
  /\b(?:\d{4}-\d{2}-\d{2}|\d{1,2}(?:st|nd|rd|th)? (?:January|February|March|April|May|June|July|August|September|October|November|December)(?:,? \d{4})?|(?:January|February|March|April|May|June|July|August|September|October|November|December) \d{1,2}(?:,? \d{4})?|1[0-9]{3}|20\d{2})\b/g;

export function datesIn(text: string): string[] {
  return [...new Set(text.match(DATE) ?? [])];
}
