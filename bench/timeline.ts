import { answeredSince, type LimitedService } from "./limited-service.ts";

/**
 * `TIMELINE=1`: second by second, how many calls each deployment answered and how many tokens that was, to standard
 * error. Shows where quota was left unused.
 */
export async function printTimeline(
  service: LimitedService,
  startedMs: number,
  tokensOf: ReadonlyMap<string, number>,
): Promise<void> {
  const calls = (await answeredSince(service, 0)).filter((call) => call.received_at_ms >= startedMs);
  const names = [...new Set(calls.map(({ profile }) => profile))].sort();
  const bySecond = Map.groupBy(calls, (call) => Math.floor((call.received_at_ms - startedMs) / 1000));
  console.error(["second", ...names.map((name) => `${name}: calls, tokens`)].join(" | "));
  for (let second = 0; second <= Math.max(0, ...bySecond.keys()); second++) {
    const cells = names.map((name) => {
      const own = (bySecond.get(second) ?? []).filter(({ profile }) => profile === name);
      return `${own.length}, ${own.reduce((sum, { job }) => sum + (tokensOf.get(job ?? "") ?? 0), 0)}`;
    });
    console.error([second, ...cells].join(" | "));
  }
}
