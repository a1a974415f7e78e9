import { reasonOf } from "../shared/log.ts";
import { openRoute } from "./http.ts";

/** One thing the service cannot work without, and how to ask it whether it is there. */
export interface Dependency {
  readonly name: string;
  /** Rejects where it is not there; takes no longer than about `patienceMs`. */
  readonly check: (patienceMs: number) => Promise<unknown>;
}

/** Whoever asks for health wants an answer, not a long wait. */
const PATIENCE_MS = 5_000;

/** GET /api/health: 200 while all dependencies answer, else 503; a line for each */
export function registerHealth(deps: { dependencies: readonly Dependency[]; monotonic: () => number }): void {
  const options = { name: "health", method: "GET", route: "health" } as const;
  openRoute(options, async (_request, { log }) => {
    const lines = await Promise.all(
      deps.dependencies.map(async ({ name, check }) => {
        const startedAt = deps.monotonic();
        const latency_ms = () => Math.round(deps.monotonic() - startedAt);
        try {
          await check(PATIENCE_MS);
          return { name, status: "ok", latency_ms: latency_ms() };
        } catch (thrown) {
          // Why it failed may name hosts and accounts: for the log, not for anybody who asks.
          log.error("dependency_down", { dependency: name, reason: reasonOf(thrown) });
          return { name, status: "unavailable", latency_ms: latency_ms() };
        }
      }),
    );
    const ok = lines.every((line) => line.status === "ok");
    return {
      status: ok ? 200 : 503,
      jsonBody: { status: ok ? "ok" : "unavailable", dependencies: lines },
      headers: { "cache-control": "no-store", ...(ok ? {} : { "retry-after": "5" }) },
    };
  });
}
