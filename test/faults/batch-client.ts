import { setTimeout as sleep } from "node:timers/promises";
import { OpenAI, toFile } from "openai";
import type { SeenBatch } from "./evidence.ts";
import type { Chances } from "./seeded.ts";

/** How a client of the OpenAI door wants a batch. */
export interface BatchWish {
  /** Requests' bodies by their names. */
  readonly lines: Readonly<Record<string, object>>;
  readonly cancelAfterMs?: number;
}

const ENDED = ["completed", "failed", "expired", "cancelled"];
const CALL_MS = 8_000;
const LOOK_MS = 700;

/**
 * One batch through OpenAI's own SDK, from its file to those of its results. What is not answered is asked again: a batch
 * that was made before by its key.
 */
export async function batchCall(
  url: string,
  { label, tenant }: { readonly label: string; readonly tenant: string },
  { lines, cancelAfterMs }: BatchWish,
  patienceMs: number,
): Promise<SeenBatch> {
  const client = clientOf(url, tenant);
  const patiently = patientUntil(performance.now() + patienceMs);
  const customIds = Object.keys(lines);
  const none: SeenBatch = { customIds, id: null, end: null, output: null, errors: null };
  const text = Object.entries(lines)
    .map(([custom_id, body]) =>
      JSON.stringify({ custom_id, method: "POST", url: "/v1/chat/completions", body }),
    )
    .join("\n");
  const file = await patiently(async () =>
    client.files.create({ file: await toFile(Buffer.from(text), `${label}.jsonl`), purpose: "batch" }),
  );
  if (file === null) return none;
  const asked = {
    input_file_id: file.id,
    endpoint: "/v1/chat/completions",
    completion_window: "24h",
  } as const;
  const headers = { "Idempotency-Key": label };
  const made = await patiently(() => client.batches.create(asked, { headers }));
  if (made === null) return none;
  const { id } = made;
  if (cancelAfterMs !== undefined) {
    await sleep(cancelAfterMs);
    await patiently(() => client.batches.cancel(id));
  }
  return seenAgain(url, tenant, { ...none, id }, patienceMs);
}

/** What its client is told of a batch that was made, once it has ended or patience is over. */
export async function seenAgain(
  url: string,
  tenant: string,
  seen: SeenBatch,
  patienceMs: number,
): Promise<SeenBatch> {
  const { id } = seen;
  if (id === null) return seen;
  const client = clientOf(url, tenant);
  const until = performance.now() + patienceMs;
  const patiently = patientUntil(until);
  do {
    const batch = await patiently(() => client.batches.retrieve(id));
    if (batch === null || !ENDED.includes(batch.status)) continue;
    const { total = 0, completed = 0, failed = 0 } = batch.request_counts ?? {};
    const idsOf = (fileId: string | null | undefined) =>
      fileId == null ? [] : patiently(async () => namesIn(await (await client.files.content(fileId)).text()));
    const [output, errors] = [await idsOf(batch.output_file_id), await idsOf(batch.error_file_id)];
    return { ...seen, end: { status: batch.status, counts: { total, completed, failed } }, output, errors };
  } while (performance.now() < until && (await sleep(LOOK_MS, true)));
  return seen;
}

const clientOf = (url: string, tenant: string) =>
  new OpenAI({
    ...{ baseURL: `${url}/openai/v1`, apiKey: `local-${tenant}`, maxRetries: 0, timeout: CALL_MS },
  });

/** What is not answered is asked again until then; null: it was refused, or never answered. */
function patientUntil(until: number) {
  return async <T>(ask: () => Promise<T>): Promise<T | null> => {
    for (;;) {
      try {
        return await ask();
      } catch (thrown) {
        const status = thrown instanceof OpenAI.APIError ? (thrown.status ?? 0) : 0;
        if ((status >= 400 && status < 500 && status !== 429) || performance.now() > until) return null;
        await sleep(LOOK_MS);
      }
    }
  };
}

const namesIn = (text: string): string[] =>
  text
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [(JSON.parse(line) as { custom_id: string }).custom_id]));

const MODELS: readonly (readonly [weight: number, model: string])[] = [
  [45, "gpt-sim"],
  [30, "any-lab"],
  [15, "deepseek-sim"],
  [10, "grok-sim"],
];
const DIRECTIVES: readonly (readonly [weight: number, directive: string])[] = [
  [60, ""],
  [20, "[[sim:latency_ms=400]]"],
  [5, "[[sim:latency_ms=2500]]"],
  [5, "[[sim:status=503,times=1]]"],
  [4, "[[sim:reset,times=1]]"],
  [3, "[[sim:half,times=1]]"],
  [3, "[[content_filter]]"],
];

/** The seed's batch of that name. */
export function batchWishOf(label: string, c: Chances): BatchWish {
  const count = c.whole(3, 25);
  const lines = Array.from({ length: count }, (_, n) => {
    const content = `${c.weighted(DIRECTIVES)} Summarise line ${n} of ${label}.`;
    const body = { model: c.weighted(MODELS), max_tokens: 50, messages: [{ role: "user", content }] };
    return [`${label}-${n}`, body] as const;
  });
  return {
    lines: Object.fromEntries(lines),
    ...(c.next() < 0.2 ? { cancelAfterMs: c.whole(0, 3_000) } : {}),
  };
}
