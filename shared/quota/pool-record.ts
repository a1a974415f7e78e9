import { z } from "zod";
import { WAIT_CAUSES } from "../model/wait-cause.ts";
import type { Belief } from "./belief/belief.ts";
import { breakerSchema } from "./belief/breaker.ts";
import { eachLimit, poolSchema } from "./belief/pool.ts";
import { slotsSchema } from "./slots.ts";

/** What a stored pool must be for this version to go on with it. */
export const poolRecordSchema = z.object({
  pool: poolSchema,
  /** By deployment; whoever dispatches next goes on with them. */
  breakers: z.record(z.string(), breakerSchema),
  /** Jobs wait for this pool: until then the dispatcher alone takes of it, so that none goes round the line. */
  backlog_until_ms: z.number(),
  /** By deployment, why its line does not move, where that is not its quota. */
  causes: z.record(z.string(), z.enum(WAIT_CAUSES)).optional(),
  slots: z.record(z.string(), z.record(z.string(), slotsSchema)).optional(),
});

export type PoolRecord = Readonly<z.infer<typeof poolRecordSchema>>;

const NOTHING: PoolRecord = {
  ...{ pool: { requests: null, tokens: null, not_before_ms: 0 }, breakers: {}, backlog_until_ms: 0 },
};

/** One that this version cannot read counts as none: what it believed is learnt anew. */
export function poolRecordOf(stored: unknown): PoolRecord {
  return poolRecordSchema.safeParse(stored).data ?? NOTHING;
}

/** What the version before this one reckons with in every belief, whatever its shape. */
const EXPECTED = {
  ...{ drain_per_second: 0, factor: 1, window: null, pending: 0, unsure: 0, doubt: 0, seen: null },
  ...{ most_seen: 0, expected: 0, grown: 0, silent_answers: 0, lowered_ms: 0 },
};

/** As it is stored, so that a neighbouring version can read it. */
export function storedPoolRecord({ pool, ...record }: PoolRecord): object {
  return { ...record, pool: eachLimit(pool, (belief) => ({ ...EXPECTED, ...belief }) as Belief) };
}
