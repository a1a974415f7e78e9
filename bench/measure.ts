import { readFileSync } from "node:fs";

/** Ticks of /proc's CPU times a second, on every Linux there is. */
const TICKS_PER_SECOND = 100;

/** CPU time a process has used so far, ms. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

/** CPU time that all of the machine has used so far, ms; what its host took from it counts as used. */
export function machineCpuMs(): number {
  const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n", 1);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return ((user + nice + system + irq + softirq + steal) * 1000) / TICKS_PER_SECOND;
}

/** Resident memory of a process, MB. */
export function rssMb(pid: number): number {
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kb) / 1024;
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

export function median(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

/** How long each of `count` runs of `work`, one after the other, took: ms, in ascending order. */
export async function latenciesMs(count: number, work: (n: number) => Promise<unknown>): Promise<number[]> {
  const latencies: number[] = [];
  await timed(count, 1, async (n) => {
    const startedAt = performance.now();
    await work(n);
    latencies.push(performance.now() - startedAt);
  });
  return latencies.sort((a, b) => a - b);
}

/** A row of a Markdown table. */
export const row = (...cells: (string | number)[]): void => console.log(`| ${cells.join(" | ")} |`);
export const head = (...cells: string[]): void => {
  row(...cells);
  row(...cells.map(() => "---"));
};
