import type { ComponentChildren } from "preact";
import { ApiProblem } from "../api.ts";
import type { Live } from "../live.ts";
import { viewOf } from "../rows/polling.ts";
import { faultWords, labelOf } from "../rows/problem-words.ts";
import { utc } from "../rows/words.ts";

/** Why something did not work, and what its reader can do. */
export function ProblemBox({ problem }: { readonly problem: Error }) {
  const known = problem instanceof ApiProblem ? problem : undefined;
  return (
    <div class="problem" role="alert">
      <strong>{problem.message}</strong>
      {known?.advice && <p>{known.advice}</p>}
      {known && known.faults.length > 0 && (
        <ul>
          {known.faults.map(({ path, message }) => (
            <li key={path + message}>
              {path !== "" && <>{labelOf(path) ?? <code>{path}</code>}: </>}
              {faultWords(message)}
            </li>
          ))}
        </ul>
      )}
      {known && (
        <p class="quiet">
          <code>{known.code}</code>
          {known.requestId && (
            <>
              {" "}
              · request <code>{known.requestId}</code>
            </>
          )}
        </p>
      )}
    </div>
  );
}

interface LoadedProps<T> {
  readonly live: Live<T>;
  /** Whether there is nothing to show, and what is said then. */
  readonly isEmpty?: (value: T) => boolean;
  readonly empty?: ComponentChildren;
  readonly children: (value: T) => ComponentChildren;
}

/** What was read, in each of its states: loading, failed, empty, out of date, current. */
export function Loaded<T>({ live, isEmpty, empty, children }: LoadedProps<T>) {
  const view = viewOf(live);
  if (view === "loading")
    return (
      <p class="loading" role="status">
        Loading …
      </p>
    );
  if (view === "failed" && live.problem)
    return (
      <>
        <ProblemBox problem={live.problem} />
        <button type="button" onClick={live.again}>
          Try again
        </button>
      </>
    );
  const { value } = live;
  if (value === undefined) return null;
  return (
    <>
      {view === "stale" && live.problem && (
        <p class="stale" role="status">
          Not up to date since {utc((live.atMs ?? 0) / 1000)}: {live.problem.message}
        </p>
      )}
      {isEmpty?.(value) ? <p class="empty">{empty}</p> : children(value)}
    </>
  );
}
