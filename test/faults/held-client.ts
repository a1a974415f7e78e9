import { OpenAI } from "openai";
import type { HeldCall, HeldTry } from "./evidence.ts";

/** How a client of the OpenAI door wants a job. */
export interface HeldWish {
  readonly as: "whole" | "stream";
  /** After so many ms its first connection breaks. */
  readonly breakAfterMs?: number;
  /** Then it does not try again. */
  readonly leaves?: true;
}

/** The SDK's own: two automatic retries. */
const RETRIES = 2;
const CALL_PATIENCE_MS = 60_000;

/**
 * One call through OpenAI's own SDK, which tries again by itself where its connection breaks: of the client's will, or
 * because a host died. Its requests are kept, and whether it was answered.
 * @param turn counts, as sightings are counted
 */
export async function heldCall(
  url: string,
  wish: { readonly tenant: string; readonly body: object; readonly deadlineSeconds?: number },
  held: HeldWish,
  turn: () => number,
): Promise<HeldCall> {
  const tries: HeldTry[] = [];
  const counted: typeof fetch = async (target, init) => {
    const isFirst = tries.length === 0;
    const seen: HeldTry = {
      asked: turn(),
      answered: Number.POSITIVE_INFINITY,
      atMs: Date.now(),
      jobId: null,
    };
    tries.push(seen);
    const { breakAfterMs } = held;
    const cut = isFirst && breakAfterMs !== undefined ? [AbortSignal.timeout(breakAfterMs)] : [];
    const given = init?.signal == null ? [] : [init.signal];
    try {
      const answer = await fetch(target, { ...init, signal: AbortSignal.any([...cut, ...given]) });
      seen.jobId = answer.headers.get("x-switchyard-job");
      return answer;
    } finally {
      seen.answered = turn();
    }
  };
  const client = new OpenAI({
    ...{ baseURL: `${url}/openai/v1`, apiKey: `local-${wish.tenant}`, fetch: counted },
    ...{ maxRetries: held.leaves === true ? 0 : RETRIES, timeout: CALL_PATIENCE_MS },
  });
  const { deadlineSeconds = 60 } = wish;
  const headers = { "x-switchyard-deadline-seconds": String(deadlineSeconds) };
  const body = held.as === "stream" ? { ...wish.body, stream: true } : wish.body;
  let isAnswered = false;
  try {
    const answer = await client.chat.completions.create(body as never, { headers });
    if (held.as === "stream") for await (const _ of answer as unknown as AsyncIterable<unknown>);
    isAnswered = true;
  } catch {
    // What it is told is its own affair here: what is stored of it is judged.
  }
  return { body, as: held.as, tries, isAnswered };
}
