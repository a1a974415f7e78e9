import type { Passage } from "./passage.ts";
import { pick, type Random } from "./seeded.ts";

/** Words that speak for a label, where the label itself does not occur in the text. */
const LEXICON: Readonly<Record<string, string>> = {
  positive:
    "love good great happy beautiful wonderful pleased joy delight best excellent grandeur hope happiness",
  negative:
    "hate bad sad terrible angry dull dark death fear grief worst poor madness dreary despair melancholy misery",
  joyful: "joy happy glad laugh merry delight pleasure smile sweet",
  melancholy:
    "melancholy grim damp drizzly november dull dark dreary soundless autumn insufferable gloom sorrow death",
  solemn: "dedicate consecrate hallow nation died almighty god lord honored cause",
  ironic: "truth universally acknowledged fortune wife vexing nerves",
  humorous: "curious rabbit nonsense laughed late waistcoat grin",
  science:
    "species natural selection varieties laws forms variation organic evolved reproduction inheritance",
  scientific: "species natural selection varieties laws forms variation organic evolved reproduction",
  religion: "god lord heaven earth firmament spirit holy psalm shepherd vanity",
  religious: "god lord heaven earth firmament spirit holy psalm shepherd vanity",
  scripture: "god lord heaven earth firmament spirit holy psalm shepherd vanity",
  politics: "nation people government liberty rights independence war united powers laws",
  political: "nation people government liberty rights independence war united powers laws",
  speech: "nation people dedicate we fathers brave country",
  fiction: "said she her had sister rabbit house whale room told old door",
  novel: "said she her had sister wife fortune street carriage whale",
  poetry: "thou thy art summer rose shall eternal lovely",
  poem: "thou thy art summer rose shall eternal lovely",
  drama: "thou thy to be or perchance slings arrows mortal stage players",
  horror: "dreary dark mad nervous heart eye death vulture soundless gloom",
  sea: "ocean water ship sail whale sailor harbor sea",
  urgent: "now immediately down asap must late stop",
};

/** What stands before a list of labels, the surest sign first. */
const INTRODUCTIONS = [
  /\bone of(?: \w+){0,3}\s*[:(]\s*([^.\n?)]+)/i,
  /\bone of(?: the following| these)?\s+([^.\n?:]+)/i,
  /\b(?:labels?|categories|classes|genres?|options|moods?)\b(?: are| is)?\s*[:(]\s*([^.\n?)]+)/i,
  /\b(?:either|classify (?:\w+ ){0,6}as)\s*:?\s*([^.\n?)]+)/i,
];
const MAX_LABEL_CHARS = 40;

/** The labels a task offers; none where it offers none. */
export function labelsIn(task: string): string[] {
  const list = INTRODUCTIONS.map((introduction) => introduction.exec(task)?.[1]).find(Boolean);
  if (list === undefined) return [];
  const labels = list
    .split(/,|\/|\||;|\bor\b|\band\b/)
    .map((label) => label.replace(/["'`“”‘’[\]()]/g, "").trim())
    .filter((label) => label !== "" && label.length <= MAX_LABEL_CHARS);
  return labels.length > 1 ? labels : [];
}

/** The label with most words of its own in the text. @param labels at least one */
export function chooseLabel(labels: readonly string[], passage: Passage, random: Random): string {
  const text = passage.text.toLowerCase();
  const scores = labels.map((label) => {
    const key = label.toLowerCase();
    const words = `${key} ${Object.hasOwn(LEXICON, key) ? LEXICON[key] : ""}`
      .split(" ")
      .filter((word) => word !== "");
    return words.filter((word) => new RegExp(`\\b${escaped(word)}`).test(text)).length;
  });
  const best = Math.max(...scores);
  const neutral = labels.find((label) => /^(neutral|other|none|unknown|mixed)$/i.test(label));
  if (best === 0 && neutral !== undefined) return neutral;
  return pick(
    random,
    labels.filter((_, index) => scores[index] === best),
  );
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
