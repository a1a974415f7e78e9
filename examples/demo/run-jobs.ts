import { type Api, hasEnded, type Job } from "./api.ts";
import type { Outcome } from "./outcome.ts";
import type { ProgressState } from "./progress.ts";
import type { Prompt } from "./prompts.ts";

export interface Lab {
  readonly name: string;
  readonly model: string;
}

/** Submits and waits under way at once: enough to keep the service busy, few enough to be good company. */
const MAX_SUBMITS = 8;
const MAX_WAITS = 32;

/**
 * Every prompt as a job for every lab: submitted, waited for, its audit trail read. In the order of the prompts,
 * then of the labs. Rejects when the service refuses something, or when `signal` of the API aborts.
 */
export async function runJobs(
  api: Api,
  prompts: readonly Prompt[],
  labs: readonly Lab[],
  now: () => number,
  show: (state: ProgressState) => void,
): Promise<Outcome[]> {
  const startedAt = now();
  const total = prompts.length * labs.length;
  const ended = new Map(labs.map((lab) => [lab.name, 0]));
  let submitted = 0;
  let done = 0;
  const tell = () => show({ submitted, ended: done, total, byLab: [...ended], elapsedMs: now() - startedAt });

  const wanted = prompts.flatMap((prompt) => labs.map((lab) => ({ prompt, lab })));
  const jobs = await eachOf(wanted, MAX_SUBMITS, async ({ prompt, lab }) => {
    // The key names the job: a submit that is repeated, by this client or by a second run, is the same job.
    const job = await api.submit(`demo/${prompt.id}/${lab.model}`, { ...prompt.body, model: lab.model });
    submitted++;
    tell();
    return { prompt, lab, job };
  });
  return eachOf(jobs, MAX_WAITS, async ({ prompt, lab, job: accepted }) => {
    let job: Job = accepted;
    while (!hasEnded(job)) job = await api.wait(accepted.id);
    const audit = await api.audit(job.id);
    done++;
    ended.set(lab.name, (ended.get(lab.name) ?? 0) + 1);
    tell();
    return { prompt, lab: lab.name, job, audit };
  });
}

/** The results of `run` for each item, in their order, so many at a time. */
async function eachOf<T, R>(items: readonly T[], atOnce: number, run: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await run(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
