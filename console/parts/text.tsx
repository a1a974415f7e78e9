import { useEffect, useMemo, useState } from "preact/hooks";
import { differing } from "../rows/difference.ts";
import { beginning, SHOWN_CHARS, visible } from "../rows/hostile-text.ts";
import { ago, count, utc } from "../rows/words.ts";

interface TextProps {
  readonly text: string;
  readonly label: string;
  /** Words that differ from this text are marked. */
  readonly than?: string | undefined;
}

/** A text that others wrote, in a box of its own: as text, whatever it holds. */
export function HostileText({ text, label, than }: TextProps) {
  const [shown, setShown] = useState(SHOWN_CHARS);
  const part = beginning(text, shown);
  const stretches = useMemo(() => (than === undefined ? undefined : differing(than, part)), [than, part]);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reached by the keyboard */}
      <section class="text" aria-label={label} tabIndex={0}>
        <pre dir="auto">
          {stretches?.map((each) =>
            each.isOther ? <mark>{visible(each.text)}</mark> : visible(each.text),
          ) ?? visible(part)}
        </pre>
      </section>
      {part.length < text.length && (
        <p>
          {count(part.length)} of {count(text.length)} characters{" "}
          <button type="button" onClick={() => setShown(shown * 5)}>
            Show more
          </button>
        </p>
      )}
    </>
  );
}

/** Longer words are broken where a line is short. */
const UNBROKEN_CHARS = 24;

/** A name or a word that others chose, within a line. */
export function Word({ text }: { readonly text: string }) {
  const isLong = text.length > UNBROKEN_CHARS;
  return <bdi class={isLong ? "word" : ""}>{visible(text)}</bdi>;
}

const CLOCK_MS = 1_000;
/** One clock for all times on the page. */
const ticks = new Set<() => void>();
window.setInterval(() => {
  for (const tick of ticks) tick();
}, CLOCK_MS);

/** How long ago, and on hovering when: it goes on by itself. */
export function When({ at }: { readonly at: number | null | undefined }) {
  // Drawn again only once the words are others.
  const [, setWords] = useState("");
  useEffect(() => {
    if (at === null || at === undefined) return;
    const tick = () => setWords(ago(at, Date.now() / 1000));
    ticks.add(tick);
    return () => void ticks.delete(tick);
  }, [at]);
  if (at === null || at === undefined) return <>–</>;
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={utc(at)}>
      {ago(at, Date.now() / 1000)}
    </time>
  );
}

/** A state, told by its word and not by its colour alone. */
export function State({ state }: { readonly state: string }) {
  return <span class={`state state-${state.replace(/[^a-z_]/g, "")}`}>{state.replaceAll("_", " ")}</span>;
}

export function Copy({ text, label }: { readonly text: string; readonly label: string }) {
  const [isDone, setIsDone] = useState(false);
  const copy = () => navigator.clipboard.writeText(text).then(() => setIsDone(true));
  return (
    <button type="button" class="small" onClick={copy}>
      {isDone ? "Copied" : label}
    </button>
  );
}
