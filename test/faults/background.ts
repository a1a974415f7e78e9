import type { Evidence, Promised } from "./evidence.ts";

/**
 * Whoever follows a background response sees each of its numbers once, in order, from 0 on, however often the stream broke,
 * and in the end what is stored.
 */
export function checkBackground(
  { background = [], stale }: Evidence,
  say: (promise: Promised, jobId: string | null, why: string) => void,
): void {
  for (const { id, events, final, read } of background) {
    if (id === null) continue;
    const fault = (why: string) => say("streams_are_whole", id.replace("resp_", "job_"), why);
    const at = events.findIndex(({ number }, n) => number !== n);
    if (at >= 0) fault(`event ${at} has the number ${events[at]?.number}`);
    if (final === undefined) fault(`its stream never ended, after ${events.length} events`);
    // What is read of a replica that lags may be older.
    if (final === undefined || read === undefined || stale.length > 0) continue;
    if (read.status !== final.status || read.text !== final.text)
      fault(`its stream ended as ${final.status}, «${final.text}»; it is ${read.status}, «${read.text}»`);
    // Of a lost attempt there may be more, and an answer that was not streamed comes in one piece.
    const said = events.map(({ delta = "" }) => delta).join("");
    if (final.status === "completed" && !said.endsWith(final.text))
      fault(`its events say «${said}», and not «${final.text}»`);
  }
}
