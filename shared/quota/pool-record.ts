import { z } from "zod";
import { ILLNESSES } from "../model/wait-cause.ts";
import type { Breaker } from "./belief/breaker.ts";
import { poolSchema } from "./belief/pool.ts";
import { slotsSchema } from "./slots.ts";

const number = z.number();
const breakerSchema: z.ZodType<Breaker> = z.object({
  state: z.enum(["closed", "open", "half_open"]),
  failing_jobs: z.array(z.string()),
  ...{ calls: number, failures: number, counted_ms: number, latency_ms: number.nullable() },
  fault: z.object({ illness: z.enum(ILLNESSES), message: z.string(), at_ms: number }).exactOptional(),
  ...{ opened_ms: number, open_for_ms: number, probing_until_ms: number, ramp_from_ms: number.nullable() },
});

/** What a stored pool must be for this version to go on with it. */
export const poolRecordSchema = z.object({
  pool: poolSchema,
  /** By deployment; whoever dispatches next goes on with them. */
  breakers: z.record(z.string(), breakerSchema),
  /** Jobs wait for this pool: until then the dispatcher alone takes of it, so that none goes round the line. */
  backlog_until_ms: z.number(),
  /** By deployment, then by instance. */
  slots: z.record(z.string(), z.record(z.string(), slotsSchema)).optional(),
});

/** A pool as all instances share it. */
export type PoolRecord = Readonly<z.infer<typeof poolRecordSchema>>;

const NOTHING: PoolRecord = {
  ...{ pool: { requests: null, tokens: null, not_before_ms: 0 }, breakers: {}, backlog_until_ms: 0 },
};

/** One that this version cannot read counts as none: what it believed is learnt anew. */
export function poolRecordOf(stored: unknown): PoolRecord {
  return poolRecordSchema.safeParse(stored).data ?? NOTHING;
}
