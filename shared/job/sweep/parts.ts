import { type Log, reasonOf } from "../../log.ts";

/** What a sweep does besides sweeping: each is one of the nets that catch what was lost. */
export type SweepParts = Readonly<Record<string, (log: Log) => Promise<unknown>>>;

/** Whoever asks while the question is under way shares its answer: the parts of one turn ask at the same time. */
export function sharedAnswer<T>(ask: () => Promise<T>): () => Promise<T> {
  let asking: Promise<T> | undefined;
  return () => {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

/** Some of a sweep's parts failed; each has been logged. */
export class SweepFailed extends AggregateError {
  override readonly name = "SweepFailed";
}

/** Runs every part, at the same time, whatever becomes of the others. @throws SweepFailed, so that it shows */
export async function runParts(parts: SweepParts, log: Log): Promise<void> {
  const names = Object.keys(parts);
  const results = await Promise.allSettled(names.map(async (name) => parts[name]?.(log)));
  const failed = results.flatMap((result, at) =>
    result.status === "rejected" ? [{ part: names[at] ?? "", reason: result.reason as unknown }] : [],
  );
  for (const { part, reason } of failed) log.error("sweep_part_failed", { part, reason: reasonOf(reason) });
  if (failed.length === 0) return;
  const message = `failed: ${failed.map(({ part, reason }) => `${part} (${reasonOf(reason)})`).join(", ")}`;
  throw new SweepFailed(
    failed.map(({ reason }) => reason),
    message,
  );
}
