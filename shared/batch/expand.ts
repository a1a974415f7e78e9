import type { Accepted } from "../job/intake/accept.ts";
import type { Queued } from "../job/job.ts";
import { inLine } from "../job/waits-for.ts";
import { UnreadableItem } from "../store.ts";
import { type Batch, jobIdOfLine, type LineResult, NOTHING_READ } from "./batch.ts";
import { readLine } from "./line.ts";
import { acceptLine } from "./line-job.ts";
import { type InputLine, linesOf } from "./lines.ts";
import { notRun, type ResultLine } from "./result.ts";
import type { Turn } from "./turn-state.ts";

/** Lines between two commits: what a crash has to do again. */
const PAGE_LINES = 500;
/** Their bytes, about: they are in memory together. */
const PAGE_INPUT_BYTES = 8 * 1024 * 1024;
const JOBS_AT_ONCE = 32;

export const NOTHING_USED: Omit<LineResult, "line"> = {
  ...{ isCompleted: false, isExpired: false, usage: null, cost: null, hasUnknownCost: false },
};

/**
 * The next lines of the input become jobs; from a cancel or the end of its time on they are written down as not run.
 * @returns whether there are more
 */
export async function expand(turn: Turn): Promise<boolean> {
  const { batch, progress } = turn;
  if (progress.isRead) return false;
  const content = await turn.input();
  if (content === undefined)
    return cutOff(turn, "The input file was deleted before all of its lines were read.");
  const inputs: InputLine[] = [];
  let bytes = 0;
  let isMore = false;
  try {
    for await (const input of linesOf(content, progress.cursor, turn.deps.limits.maxLineBytes)) {
      if (input.index >= batch.total) break;
      inputs.push(input);
      bytes += input.bytes?.length ?? 0;
      isMore = input.index + 1 < batch.total;
      if (inputs.length >= PAGE_LINES || bytes >= PAGE_INPUT_BYTES) break;
    }
  } catch (thrown) {
    if (!(thrown instanceof UnreadableItem)) throw thrown;
    // What comes before that is run first.
    if (inputs.length === 0) return cutOff(turn, "A part of the input cannot be read any more.");
  }
  const refused = await accepted(turn, inputs);
  const cursor = inputs.at(-1)?.next ?? progress.cursor;
  await turn.commit(refused, { cursor, isRead: !isMore, checked_at_ms: turn.deps.clock.now() });
  return isMore;
}

/** Lines that were read run on; those that were not are none of the batch's any more. */
async function cutOff(turn: Turn, message: string): Promise<false> {
  const { batch, progress } = turn;
  const { line, lines } = progress.cursor;
  const faults = [{ code: "input_modified", message, param: "input_file_id", line }];
  await turn.write({ ...batch, total: lines, faults }, { ...progress, isRead: true });
  return false;
}

/** @returns those that did not become jobs */
async function accepted(turn: Turn, inputs: readonly InputLine[]): Promise<ResultLine[]> {
  const { batch, deps } = turn;
  const tenant = deps.tenants().get(batch.tenant_id);
  const nowMs = deps.clock.now();
  const code = whyNotRun(batch, nowMs);
  const wasBegun = code !== undefined && !turn.hasExpanded;
  const refused: ResultLine[] = [];
  const left = inputs.values();
  const lane = async () => {
    for (const input of left) {
      const line = tenant === undefined ? [] : readLine(deps, input, { ...batch, tenant });
      const customId = Array.isArray(line) ? customIdOf(turn, input) : line.custom_id;
      if (code !== undefined || Array.isArray(line) || tenant === undefined) {
        const why = code ?? "input_changed";
        const job_id = jobIdOfLine(batch, input.index);
        // A turn that died, or that a cancel overtook, has made the job: it ends as any other, and is told of then.
        if (wasBegun && (await deps.store.read({ tenant_id: batch.tenant_id, job_id })) !== undefined)
          continue;
        const { text } = notRun(job_id, customId, why);
        refused.push({ ...NOTHING_USED, line: input.index, isExpired: why === "batch_expired", text });
        continue;
      }
      const { nudgeGraceMs, retention, traces } = deps;
      const by = { nowMs, nudgeGraceMs, retention, trace: traces.begin(undefined) };
      await put(turn, acceptLine(batch, line, input.index, { ...by, catalogue: deps.catalogue(), tenant }));
    }
  };
  await Promise.all(Array.from({ length: JOBS_AT_ONCE }, lane));
  return refused;
}

function whyNotRun({ times, expires_at_ms }: Batch, nowMs: number) {
  if (times.cancelling_at_ms !== undefined) return "batch_cancelled" as const;
  return nowMs >= expires_at_ms ? ("batch_expired" as const) : undefined;
}

/** What the batch's owner calls these lines; those whose input is gone have no name any more. */
export async function customIds(
  turn: Turn,
  wanted: ReadonlySet<number>,
): Promise<ReadonlyMap<number, string>> {
  const names = new Map<number, string>();
  const content = await turn.input(0);
  if (content === undefined) return names;
  try {
    for await (const input of linesOf(content, NOTHING_READ.cursor, turn.deps.limits.maxLineBytes)) {
      if (names.size === wanted.size) break;
      if (wanted.has(input.index)) names.set(input.index, customIdOf(turn, input));
    }
  } catch (thrown) {
    if (!(thrown instanceof UnreadableItem)) throw thrown;
  }
  return names;
}

/** Of a line that was valid, whether or not it is by the catalogue of now. */
function customIdOf({ deps }: Turn, { bytes }: InputLine): string {
  try {
    const { custom_id } = deps.readText(bytes ?? new Uint8Array()).value as { custom_id?: unknown };
    return typeof custom_id === "string" ? custom_id : "";
  } catch {
    return "";
  }
}

/** One that is there already was made by a turn that died. */
async function put({ deps }: Turn, job: Accepted<Queued>): Promise<void> {
  const created = await deps.store.create(job, job.job.created_at_ms);
  if (created.kind !== "written") return;
  const place = inLine(job.job);
  if (place !== undefined) await deps.quota.waitsInLine(place);
}
