import type { Evidence, Promised, SeenBatch, StoredJob } from "./evidence.ts";

/** What batches promise beyond what their lines promise as jobs. */
export function checkBatches(
  { batches, stored, calls }: Evidence,
  say: (promise: Promised, jobId: string | null, why: string) => void,
): void {
  const lines = Map.groupBy(
    stored.filter(({ job }) => job.batch_line !== undefined),
    ({ job }) => job.batch_id ?? "",
  );
  const answered = Map.groupBy(
    calls.filter(({ status }) => status === 200),
    (call) => call.job ?? "",
  );
  for (const batch of batches) {
    if (batch.id === null) continue;
    const say1 = (promise: Promised, why: string) => say(promise, null, `${batch.id}: ${why}`);
    if (batch.end === null) say1("a_batch_ends", "it has not ended");
    else checkFiles(batch, lines.get(batch.id) ?? [], (why) => say1("lines_are_in_one_file", why));
  }
  for (const [id, jobs] of lines)
    for (const [name, own] of Map.groupBy(jobs, ({ job }) => job.custom_id ?? "")) {
      const count = own.reduce((sum, { job }) => sum + (answered.get(job.job_id)?.length ?? 0), 0);
      const lost = own.reduce((sum, each) => sum + attemptsLost(each), 0);
      if (own.length > 1 || count > 1 + lost)
        say(
          "a_line_is_called_once",
          own[0]?.job.job_id ?? null,
          `${name} of ${id} is ${own.length} jobs, was answered ${count} times and lost ${lost} attempts`,
        );
    }
}

/** Attempts whose answer did not become the job's, as its trail tells. */
function attemptsLost({ trail }: StoredJob): number {
  const lost = trail.filter(({ event }) => /^attempt_(lost|superseded|failed)$/.test(event));
  return new Set(lost.map(({ attempt }) => attempt)).size;
}

function checkFiles(batch: SeenBatch, jobs: readonly StoredJob[], say: (why: string) => void): void {
  const { end, customIds, output, errors } = batch;
  if (end === null) return;
  if (output === null || errors === null) {
    say("its files could not be read");
    return;
  }
  const found = new Map<string, string[]>();
  const put = (id: string, where: string) => found.set(id, [...(found.get(id) ?? []), where]);
  for (const id of output) put(id, "output");
  for (const id of errors) put(id, "error");
  for (const id of customIds) {
    const places = found.get(id) ?? [];
    if (places.length !== 1) say(`${id} is in ${places.length === 0 ? "no file" : places.join(" and ")}`);
  }
  for (const id of found.keys()) if (!customIds.includes(id)) say(`${id} was never asked for`);
  const { total, completed, failed } = end.counts;
  if (total !== customIds.length || completed !== output.length || failed !== errors.length)
    say(`it counts ${completed} + ${failed} of ${total}; its files have ${output.length} + ${errors.length}`);
  checkPlaces(jobs, found, say);
}

/** A line's job and its file say the same of it. */
function checkPlaces(
  jobs: readonly StoredJob[],
  found: ReadonlyMap<string, readonly string[]>,
  say: (why: string) => void,
): void {
  for (const { job } of jobs) {
    const where = job.status === "completed" ? "output" : "error";
    if (found.get(job.custom_id ?? "")?.[0] !== where)
      say(`${job.custom_id} is ${job.status}, and not in the ${where} file`);
  }
}
