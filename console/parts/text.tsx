import { useEffect, useState } from "preact/hooks";
import { beginning, SHOWN_CHARS, visible } from "../rows/hostile-text.ts";
import { ago, count, utc } from "../rows/words.ts";

/** A text that others wrote, in a box of its own: as text, whatever it holds. */
export function HostileText({ text, label }: { readonly text: string; readonly label: string }) {
  const [shown, setShown] = useState(SHOWN_CHARS);
  const part = beginning(text, shown);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reached by the keyboard */}
      <section class="text" aria-label={label} tabIndex={0}>
        <pre dir="auto">{visible(part)}</pre>
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

/** A name or a word that others chose, within a line. */
export function Word({ text }: { readonly text: string }) {
  return <bdi class="word">{visible(text)}</bdi>;
}

const CLOCK_MS = 1_000;

/** How long ago, and on hovering when: it goes on by itself. */
export function When({ at }: { readonly at: number | null | undefined }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), CLOCK_MS);
    return () => window.clearInterval(timer);
  }, []);
  if (at === null || at === undefined) return <>–</>;
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={utc(at)}>
      {ago(at, now / 1000)}
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
