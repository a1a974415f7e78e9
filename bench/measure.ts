import { readFileSync } from "node:fs";

/** Ticks of /proc's CPU times a second, on every Linux there is. */
const TICKS_PER_SECOND = 100;

/** CPU time a process has used so far, ms. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** Runs `work(n)` for n from 0 to `count`, at most `inFlight` at a time; answers the seconds it took. */
export async function timed(
  count: number,
  inFlight: number,
  work: (n: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const startedAt = performance.now();
  const lane = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return (performance.now() - startedAt) / 1000;
}

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/** A row of a Markdown table. */
export const row = (...cells: (string | number)[]): void => console.log(`| ${cells.join(" | ")} |`);
export const head = (...cells: string[]): void => {
  row(...cells);
  row(...cells.map(() => "---"));
};
