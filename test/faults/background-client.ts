import { setTimeout as sleep } from "node:timers/promises";
import { APIError, OpenAI } from "openai";
import type { Response, ResponseStreamEvent } from "openai/resources/responses/responses";

/** How a client wants a background response. */
export interface BackgroundWish {
  /** Its stream breaks after so many events, and again after as many. */
  readonly breakAfterEvents: number;
}

/** A background response, its stream taken up again whenever it broke, as its client saw it. */
export interface BackgroundCall {
  /** Null: its creation was never answered. */
  readonly id: string | null;
  readonly events: readonly { readonly number: number; readonly type: string; readonly delta?: string }[];
  /** As the last event has it, and as it was read afterwards; absent: it was not seen. */
  readonly final?: Ended;
  readonly read?: Ended;
  readonly resumes: number;
}

export interface Ended {
  readonly status: string;
  readonly text: string;
}

const RETRY_MS = 500;
const LAST = /^response\.(completed|failed|incomplete)$/;

/**
 * Creates a response by OpenAI's SDK, and stays with it: wherever its connection breaks it goes on after the last number.
 * @param patienceMs how long it stays
 */
export async function backgroundCall(
  url: string,
  wish: { readonly tenant: string; readonly body: object },
  { breakAfterEvents }: BackgroundWish,
  patienceMs: number,
): Promise<BackgroundCall> {
  const client = new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: `local-${wish.tenant}`, maxRetries: 0 });
  const events: BackgroundCall["events"][number][] = [];
  let id: string | null = null;
  let final: Ended | undefined;
  const take = async (stream: AsyncIterable<ResponseStreamEvent>) => {
    let left = breakAfterEvents;
    for await (const event of stream) {
      if ("response" in event) id = event.response.id;
      const delta = event.type === "response.output_text.delta" ? { delta: event.delta } : {};
      events.push({ number: event.sequence_number, type: event.type, ...delta });
      if (LAST.test(event.type) && "response" in event) final = endOf(event.response);
      if (final !== undefined || --left <= 0) return;
    }
  };
  const { model, messages } = wish.body as { model: string; messages: { content: string }[] };
  const input = messages.map(({ content }) => content).join("\n");
  const asked = { model, input, background: true, stream: true } as const;
  await quietly(async () => take(await client.responses.create(asked)));
  const end = performance.now() + patienceMs;
  let resumes = 0;
  while (id !== null && final === undefined && performance.now() < end) {
    const starting_after = events.at(-1)?.number ?? -1;
    const of: string = id;
    resumes++;
    if (
      !(await quietly(async () =>
        take(await client.responses.retrieve(of, { stream: true, starting_after })),
      ))
    )
      await sleep(RETRY_MS);
  }
  let read: Ended | undefined;
  while (id !== null && final !== undefined && read === undefined && performance.now() < end) {
    const of: string = id;
    const isRead = await quietly(async () => {
      read = endOf(await client.responses.retrieve(of));
    });
    if (!isRead) await sleep(RETRY_MS);
  }
  return { id, events, resumes, ...(final && { final }), ...(read && { read }) };
}

const endOf = ({ status = "completed", output }: Response): Ended => ({
  status,
  text: output
    .flatMap((item) => (item.type === "message" ? item.content : []))
    .map((part) => (part.type === "output_text" ? part.text : part.refusal))
    .join(""),
});

/** Whether it was answered to its end, or broke off as its client wanted; what breaks otherwise is tried again. */
async function quietly(ask: () => Promise<void>): Promise<boolean> {
  try {
    await ask();
    return true;
  } catch (thrown) {
    // A 404 of a replica that lags, a host that died: asked again.
    if (!(thrown instanceof APIError || thrown instanceof Error)) throw thrown;
    return false;
  }
}
