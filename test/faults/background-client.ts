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

/** Creates a response by OpenAI's SDK, and stays with it. @param patienceMs how long */
export async function backgroundCall(
  url: string,
  wish: { readonly tenant: string; readonly body: object },
  { breakAfterEvents }: BackgroundWish,
  patienceMs: number,
): Promise<BackgroundCall> {
  const client = clientOf(url, wish.tenant);
  const following = new Following(breakAfterEvents);
  const { model, messages } = wish.body as { model: string; messages: { content: string }[] };
  const input = messages.map(({ content }) => content).join("\n");
  const asked = { model, input, background: true, stream: true } as const;
  await quietly(async () => following.take(await client.responses.create(asked)));
  return followed(client, following, patienceMs);
}

/** Goes on with one whose end was not seen. */
export function followedAgain(
  url: string,
  tenant: string,
  seen: BackgroundCall,
  patienceMs: number,
): Promise<BackgroundCall> {
  return followed(clientOf(url, tenant), new Following(Number.POSITIVE_INFINITY, seen), patienceMs);
}

const clientOf = (url: string, tenant: string): OpenAI =>
  new OpenAI({ baseURL: `${url}/openai/v1`, apiKey: `local-${tenant}`, maxRetries: 0 });

/** A response's events as they come, over connections that break. */
class Following {
  id: string | null;
  final: Ended | undefined;
  resumes: number;
  readonly events: BackgroundCall["events"][number][];
  readonly #breakAfter: number;

  constructor(breakAfter: number, { id, final, resumes, events }: BackgroundCall = NOTHING_SEEN) {
    this.#breakAfter = breakAfter;
    [this.id, this.final, this.resumes, this.events] = [id, final, resumes, [...events]];
  }

  async take(stream: AsyncIterable<ResponseStreamEvent>): Promise<void> {
    let left = this.#breakAfter;
    for await (const event of stream) {
      if ("response" in event) this.id = event.response.id;
      const delta = event.type === "response.output_text.delta" ? { delta: event.delta } : {};
      this.events.push({ number: event.sequence_number, type: event.type, ...delta });
      if (LAST.test(event.type) && "response" in event) this.final = endOf(event.response);
      if (this.final !== undefined || --left <= 0) return;
    }
  }
}

const NOTHING_SEEN: BackgroundCall = { id: null, events: [], resumes: 0 };

/** Wherever its connection breaks it goes on after the last number; in the end the response is read. */
async function followed(client: OpenAI, following: Following, patienceMs: number): Promise<BackgroundCall> {
  const end = performance.now() + patienceMs;
  let read: Ended | undefined;
  while (following.id !== null && read === undefined && performance.now() < end) {
    const { id, final, events } = following;
    const isAnswered = await quietly(async () => {
      if (final !== undefined) {
        read = endOf(await client.responses.retrieve(id));
        return;
      }
      following.resumes++;
      const starting_after = events.at(-1)?.number ?? -1;
      await following.take(await client.responses.retrieve(id, { stream: true, starting_after }));
    });
    if (!isAnswered) await sleep(RETRY_MS);
  }
  const { id, events, resumes, final } = following;
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
