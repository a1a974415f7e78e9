import { z } from "zod";
import { reasonOf } from "../../log.ts";
import { json } from "../answer.ts";
import { route } from "../route.ts";
import { text, whole } from "./fields.ts";

/** One thing the service cannot work without, and how to ask it whether it is there. */
export interface Dependency {
  readonly name: string;
  /** Rejects where it is not there; takes no longer than about `patienceMs`. */
  readonly check: (patienceMs: number) => Promise<unknown>;
}

export interface HealthDeps {
  readonly dependencies: readonly Dependency[];
  readonly clock: { monotonic(): number };
}

const standing = z.enum(["ok", "unavailable"]);
const healthSchema = z
  .object({
    status: standing.describe("`ok` when all dependencies are."),
    dependencies: z
      .array(
        z.object({
          name: text("`cosmos` or `service_bus`."),
          status: standing.describe("Whether it answered."),
          latency_ms: whole("How long its answer took."),
        }),
      )
      .describe("What the service needs."),
  })
  .meta({ id: "Health", title: "Health" });

/** Whoever asks for health wants an answer, not a long wait. */
const PATIENCE_MS = 5_000;

/** Checks that failed last, of which the log has been told: a probe asks every few seconds. */
const down = new Set<unknown>();

export const healthRoute = route({
  name: "get-health",
  method: "GET",
  path: "api/health",
  who: "anyone",
  summary: "Whether the service and what it needs are there",
  answers: {
    200: { description: "All are there.", schema: healthSchema },
    503: { description: "Something is away.", schema: healthSchema },
  },
  handle: async ({ dependencies, clock }: HealthDeps, _input, _caller, { log }) => {
    const lines = await Promise.all(
      dependencies.map(async ({ name, check }) => {
        const startedAt = clock.monotonic();
        const latency_ms = () => Math.round(clock.monotonic() - startedAt);
        try {
          await check(PATIENCE_MS);
          if (down.delete(check)) log.info("dependency_up", { dependency: name });
          return { name, status: "ok" as const, latency_ms: latency_ms() };
        } catch (thrown) {
          // Why it failed may name hosts and accounts: for the log, not for anybody who asks.
          if (!down.has(check)) log.error("dependency_down", { dependency: name, reason: reasonOf(thrown) });
          down.add(check);
          return { name, status: "unavailable" as const, latency_ms: latency_ms() };
        }
      }),
    );
    const ok = lines.every((line) => line.status === "ok");
    const health: z.input<typeof healthSchema> = { status: ok ? "ok" : "unavailable", dependencies: lines };
    return ok ? json(200, health) : json(503, health, { "retry-after": "5" });
  },
});
