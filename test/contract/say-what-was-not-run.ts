import { notRun } from "./targets.ts";

/** Vitest's global setup: the last words of a run name the suites that it left out. */
export function teardown(): void {
  for (const line of notRun()) process.stdout.write(`${line}\n`);
}
