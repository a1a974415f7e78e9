import type { Api, Batch } from "./api.ts";
import type { ProgressState } from "./progress.ts";
import type { Prompt } from "./prompts.ts";
import type { Lab } from "./run-jobs.ts";

/** Of each lab. */
const PROMPTS = 7;
const LOOK_MS = 500;

/** A batch over all labs, and what came of it. */
export interface BatchOutcome {
  readonly batch: Batch;
  /** Lines of its two files, in no order. */
  readonly answered: readonly string[];
  readonly failed: readonly string[];
  readonly asked: readonly string[];
}

/** Some prompts as the lines of one file, each once for every lab; shown while they run. */
export async function runBatch(
  api: Api,
  prompts: readonly Prompt[],
  labs: readonly Lab[],
  show: (state: ProgressState) => void,
): Promise<BatchOutcome> {
  const startedAt = performance.now();
  const lines = prompts.slice(0, PROMPTS).flatMap(({ id, body }) =>
    labs.map(({ model }) => ({
      ...{ custom_id: `${id}/${model}`, method: "POST", url: "/v1/chat/completions" },
      body: { ...body, model },
    })),
  );
  const labOf = new Map(
    lines.map(({ custom_id, body }) => [custom_id, labs.find(({ model }) => model === body.model)]),
  );
  const text = lines.map((line) => JSON.stringify(line)).join("\n");
  let batch = await api.batch("demo-batch", text);
  let after: string | undefined;
  const seen: string[] = [];
  for (;;) {
    // What has come since the last look: lines of results, as they come.
    const results = await api.results(batch.id, after);
    after = results.after;
    seen.push(...results.lines.map(({ custom_id }) => custom_id));
    const byLab = labs.map(
      ({ name }) => [name, seen.filter((id) => labOf.get(id)?.name === name).length] as const,
    );
    const elapsedMs = performance.now() - startedAt;
    show({
      submitted: batch.request_counts.total,
      ended: seen.length,
      total: lines.length,
      byLab,
      elapsedMs,
    });
    if (batch.ended) break;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    batch = await api.batchOf(batch.id);
  }
  const all = (await api.results(batch.id)).lines;
  const isAnswered = ({ response }: { readonly response: { readonly status_code: number } | null }) =>
    response?.status_code === 200;
  return {
    batch,
    asked: lines.map(({ custom_id }) => custom_id),
    answered: all.filter(isAnswered).map(({ custom_id }) => custom_id),
    failed: all.filter((line) => !isAnswered(line)).map(({ custom_id }) => custom_id),
  };
}

/** What is wrong with it: every line must be answered, and be there once. */
export function batchFaults({ batch, asked, answered, failed }: BatchOutcome): string[] {
  const faults = failed.map((id) => `line ${id} of ${batch.id} was not answered`);
  if (batch.status !== "completed") faults.push(`${batch.id} is ${batch.status}`);
  const sorted = (ids: readonly string[]) => [...ids].sort().join("\n");
  if (sorted([...answered, ...failed]) !== sorted(asked)) faults.push(`${batch.id} has not every line once`);
  return faults;
}
