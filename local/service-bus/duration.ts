/** ISO 8601 durations as Service Bus writes them: days and smaller parts only ("P14D", "PT1M", "P1DT2H3.5S"). */
const DURATION =
  /^P(?!$)(?:(\d+(?:\.\d+)?)D)?(?:T(?!$)(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** "Never": what .NET's TimeSpan.MaxValue looks like, and anything longer than a century. */
const FOREVER_MS = 100 * 365 * 86_400_000;

/** Milliseconds; Infinity for the text that means "never"; undefined when the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (match === null) return undefined;
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  const ms = Math.round(
    (days ?? 0) * 86_400_000 + (hours ?? 0) * 3_600_000 + (minutes ?? 0) * 60_000 + (seconds ?? 0) * 1_000,
  );
  return ms >= FOREVER_MS ? Number.POSITIVE_INFINITY : ms;
}

/** The shortest way to write it; Infinity gives TimeSpan.MaxValue. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return "P10675199DT2H48M5.4775807S";
  const days = Math.floor(ms / 86_400_000);
  const hours = Math.floor((ms % 86_400_000) / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = (ms % 60_000) / 1_000;
  const time = `${hours > 0 ? `${hours}H` : ""}${minutes > 0 ? `${minutes}M` : ""}${seconds > 0 ? `${seconds}S` : ""}`;
  const text = `P${days > 0 ? `${days}D` : ""}${time === "" ? "" : `T${time}`}`;
  return text === "P" ? "PT0S" : text;
}
