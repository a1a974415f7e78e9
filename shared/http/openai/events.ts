/** The text of one server-sent event of a chat stream. */
export const eventOf = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
export const DONE = "data: [DONE]\n\n";
export const EVENT_STREAM = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
} as const;

interface Choice {
  readonly index?: number;
  readonly message?: Readonly<Record<string, unknown>>;
  readonly finish_reason?: unknown;
  readonly [name: string]: unknown;
}

/**
 * A chat completion as the stream that a client asked for: each choice whole in one delta, then its end.
 * @param body the stored answer, JSON
 */
export function eventsOf(body: string, { includeUsage }: { readonly includeUsage: boolean }): string {
  const {
    choices = [],
    usage,
    object: _,
    ...head
  } = JSON.parse(body) as {
    readonly choices?: readonly Choice[];
    readonly usage?: unknown;
    readonly object?: unknown;
  };
  const chunk = (more: object) => eventOf({ ...head, object: "chat.completion.chunk", ...more });
  const deltas = choices.flatMap(({ index = 0, message = {}, finish_reason, logprobs = null, ...rest }) => [
    chunk({ choices: [{ index, delta: deltaOf(message), logprobs, finish_reason: null }] }),
    chunk({
      choices: [{ ...rest, index, delta: {}, logprobs: null, finish_reason: finish_reason ?? "stop" }],
    }),
  ]);
  const last = includeUsage ? [chunk({ choices: [], usage: usage ?? null })] : [];
  return [...deltas, ...last, DONE].join("");
}

/** Tool calls of a delta are numbered, because later deltas may add to them. */
function deltaOf(message: Readonly<Record<string, unknown>>): object {
  const { tool_calls } = message;
  const calls = Array.isArray(tool_calls)
    ? { tool_calls: tool_calls.map((call: object, index) => ({ index, ...call })) }
    : {};
  return { role: "assistant", ...message, ...calls };
}
