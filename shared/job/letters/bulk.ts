import { changeControl } from "../../audit/control-trail.ts";
import { Problem, type ProblemCode } from "../../errors.ts";
import { sha256Hex } from "../../sha256.ts";
import type { DeadLetter, DeadLetterFilter } from "../ports.ts";
import { DEAD_LETTERS, type RedriveDeps, redrive } from "./redrive.ts";

/** Which letters: of those that nobody has redriven or dismissed, all that match. */
export type LetterChoice = Pick<DeadLetterFilter, "tenantId" | "jobId" | "reason" | "beforeMs">;

const UNTOUCHED = { redriven: false, dismissed: false } as const;

export interface ManyRedriven {
  readonly nudged: number;
  readonly newJobs: number;
  /** Why letters were not redriven, and how many. */
  readonly refused: Readonly<Partial<Record<ProblemCode, number>>>;
  /** Letters that still match; those refused are among them. */
  readonly left: number;
  /** Where the next page begins; null: this was the last. */
  readonly lastId: string | null;
}

/**
 * Redrives a page of letters, one after the other, each as `redrive` does. A page that was cut off can be asked for
 * again. @param newJobs of ended jobs, too, which costs money @throws StoreUnavailable
 */
export async function redriveMany(
  deps: RedriveDeps,
  choice: LetterChoice,
  page: { readonly limit: number; readonly after: DeadLetter | undefined; readonly newJobs: boolean },
  actor: string,
): Promise<ManyRedriven> {
  const { limit, after, newJobs } = page;
  const { letters, hasMore } = await deps.deadLetters.list({ ...choice, ...UNTOUCHED, limit, after });
  const done = { nudged: 0, new_job: 0 };
  const refused: Partial<Record<ProblemCode, number>> = {};
  for (const { id } of letters) {
    try {
      const { redriven } = await redrive(deps, id, actor, newJobs);
      done[redriven.outcome]++;
    } catch (thrown) {
      if (!(thrown instanceof Problem)) throw thrown;
      refused[thrown.code] = (refused[thrown.code] ?? 0) + 1;
    }
  }
  const left = await deps.deadLetters.matching({ ...choice, ...UNTOUCHED });
  const lastId = hasMore ? (letters.at(-1)?.id ?? null) : null;
  return { nudged: done.nudged, newJobs: done.new_job, refused, left, lastId };
}

/**
 * Says of a page of letters that nothing needs to be done for them: in one batch with its record in control's trail.
 * @throws StoreUnavailable
 */
export async function dismissMany(
  deps: Pick<RedriveDeps, "deadLetters" | "trail" | "clock">,
  choice: LetterChoice,
  said: { readonly limit: number; readonly actor: string; readonly reason: string | null },
): Promise<{ dismissed: number; left: number }> {
  const { limit, actor, reason } = said;
  const { letters } = await deps.deadLetters.list({ ...choice, ...UNTOUCHED, limit });
  const ids = letters.map(({ id }) => id);
  let dismissed = 0;
  if (ids.length > 0) {
    await changeControl(deps, {
      scope: DEAD_LETTERS,
      changeId: `dismiss ${sha256Hex(ids.join(" "))}`,
      actor,
      reads: ids,
      decide: (items) => {
        const open = ids.flatMap((id) => items.get(id) ?? []).filter(({ value }) => isUntouched(value));
        dismissed = open.length;
        if (open.length === 0) return undefined;
        const mark = { actor, at_ms: deps.clock.now() };
        const details = { dead_letters: open.map(({ value }) => value.id) };
        const writes = open.map(({ value, etag }) => {
          return { kind: "replace", item: { ...value, dismissed: mark }, etag } as const;
        });
        return { event: "dismissed", reason, details, writes };
      },
    });
  }
  return { dismissed, left: await deps.deadLetters.matching({ ...choice, ...UNTOUCHED }) };
}

const isUntouched = (letter: Readonly<Record<string, unknown>>) =>
  letter.redriven === undefined && letter.dismissed === undefined;
