/** Structured log lines: one JSON object a line, ids and numbers only; never a key, a token or a prompt. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** Causes of causes, and errors of an aggregate, that are told: what is deeper or comes later says no more. */
const MAX_DEPTH = 5;
const MAX_TOGETHER = 5;

/** What an unknown thrown value says of itself and of what caused it, for a log line or an error's message. */
export function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return withCauses(`${thrown.name}: ${thrown.message}`, thrown, MAX_DEPTH);
}

function withCauses(text: string, thrown: unknown, depth: number): string {
  if (!(thrown instanceof Error) || depth === 0) return text;
  const together: readonly unknown[] = thrown instanceof AggregateError ? thrown.errors : [];
  const causes = [...together.slice(0, MAX_TOGETHER), ...(thrown.cause === undefined ? [] : [thrown.cause])];
  const told = causes
    .map((cause) => withCauses(cause instanceof Error ? cause.message : String(cause), cause, depth - 1))
    // An error often says of its cause what that says itself.
    .filter((cause) => cause !== "" && !text.includes(cause));
  const rest = together.length > MAX_TOGETHER ? [`${together.length - MAX_TOGETHER} more`] : [];
  return told.length === 0 ? text : `${text} (${[...told, ...rest].join("; ")})`;
}
