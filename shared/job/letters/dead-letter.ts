import type { Clock } from "../../clock.ts";
import type { Log } from "../../log.ts";
import { sha256Hex } from "../../sha256.ts";
import { UnreadableItem } from "../../store.ts";
import { isEnded } from "../job.ts";
import type { DeadLetter, DeadLetters, JobStore, Nudges } from "../ports.ts";

export interface DeadLetterDeps {
  readonly store: JobStore;
  readonly nudges: Nudges;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly log: Log;
  readonly repeats: Repeats;
}

/** A message that cannot be settled comes again at once, thousands of times in an outage: such are counted. */
const TELL_OF_REPEATS_EVERY_MS = 60_000;

export class Repeats {
  #times = 0;
  #toldAtMs = -Infinity;

  /** A letter that is kept already came once more. */
  note(nowMs: number, log: Log): void {
    this.#times++;
    if (nowMs - this.#toldAtMs < TELL_OF_REPEATS_EVERY_MS) return;
    log.warn("dead_letters_again", { times: this.#times });
    this.#times = 0;
    this.#toldAtMs = nowMs;
  }
}

/** A nudge that failed ten times met an outage: its job is looked at again once that may be over. */
const LOOK_AGAIN_MS = 60_000;

/** The same message gives the same id, however often it is delivered; its own id may hold what no item's may. */
export function deadLetterId(messageId: string, sequenceNumber: unknown): string {
  return `dl_${sha256Hex(`${String(sequenceNumber)}\u0000${messageId}`).slice(0, 32)}`;
}

/**
 * Settles a dead-lettered nudge from its job's own record. Dead-lettering never ends a job, only its attempts or its
 * deadline do: a job that has not ended is nudged again, later. The letter is kept for the operator.
 */
export async function settleDeadLetter(deps: DeadLetterDeps, letter: DeadLetter): Promise<void> {
  const { nudge } = letter;
  const isNew = await deps.deadLetters.keep(letter);
  if (!isNew) deps.repeats.note(deps.clock.now(), deps.log);
  if (nudge === null) {
    if (isNew)
      deps.log.error("dead_letter_unreadable", { message_id: letter.message_id, reason: letter.reason });
    return;
  }
  // The sweeper has a net of its own for these.
  if (letter.queue !== undefined) {
    const { job_id } = nudge;
    if (isNew) deps.log.error("dead_letter", { job_id, queue: letter.queue, reason: letter.reason });
    return;
  }
  const job = await deps.store.read(nudge).catch((thrown: unknown) => {
    if (thrown instanceof UnreadableItem) return "unreadable" as const;
    throw thrown;
  });
  const status = job === "unreadable" ? job : (job?.value.status ?? "absent");
  if (isNew) deps.log.error("dead_letter", { job_id: nudge.job_id, status, reason: letter.reason });
  if (job === undefined || job === "unreadable" || isEnded(job.value)) return;
  await deps.nudges.send(nudge, { atMs: deps.clock.now() + LOOK_AGAIN_MS });
}
