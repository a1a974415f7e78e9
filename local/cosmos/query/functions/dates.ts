import type { Value } from "../values.ts";
import { type Entries, entry, isWhole } from "./entry.ts";

/** A tick is 100 ns. Times are held as ticks since 1970, because texts have 7 digits after the second. */
const TICKS_PER_MS = 10_000n;

type Part =
  | "year"
  | "month"
  | "day"
  | "hour"
  | "minute"
  | "second"
  | "millisecond"
  | "microsecond"
  | "nanosecond";

const PARTS: ReadonlyMap<string, Part> = new Map([
  ...["year", "yyyy", "yy"].map((name) => [name, "year"] as const),
  ...["month", "mm", "m"].map((name) => [name, "month"] as const),
  ...["day", "dd", "d"].map((name) => [name, "day"] as const),
  ...["hour", "hh"].map((name) => [name, "hour"] as const),
  ...["minute", "mi", "n"].map((name) => [name, "minute"] as const),
  ...["second", "ss", "s"].map((name) => [name, "second"] as const),
  ...["millisecond", "ms"].map((name) => [name, "millisecond"] as const),
  ...["microsecond", "mcs"].map((name) => [name, "microsecond"] as const),
  ...["nanosecond", "ns"].map((name) => [name, "nanosecond"] as const),
]);

/** Length of a part in ticks; years and months have none. */
const LENGTHS: Readonly<Partial<Record<Part, bigint>>> = {
  day: 864_000_000_000n,
  hour: 36_000_000_000n,
  minute: 600_000_000n,
  second: 10_000_000n,
  millisecond: TICKS_PER_MS,
  microsecond: 10n,
};

const partOf = (value: Value) => (typeof value === "string" ? PARTS.get(value.toLowerCase()) : undefined);
const ISO = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?Z?)?$/;

function ticksOf(value: Value): bigint | undefined {
  const match = typeof value === "string" ? ISO.exec(value) : null;
  if (match === null) return undefined;
  const ms = Date.parse(`${match[1]}T${match[2] ?? "00:00:00"}Z`);
  if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(match[1] as string)) return undefined;
  return BigInt(ms) * TICKS_PER_MS + BigInt((match[3] ?? "").padEnd(7, "0"));
}

function textOf(ticks: bigint): string | undefined {
  const fraction = floorMod(ticks, 10_000_000n);
  const date = new Date(Number((ticks - fraction) / TICKS_PER_MS));
  const year = date.getUTCFullYear();
  if (Number.isNaN(year) || year < 1 || year > 9999) return undefined;
  return `${date.toISOString().slice(0, 19)}.${fraction.toString().padStart(7, "0")}Z`;
}

const floorMod = (a: bigint, b: bigint) => ((a % b) + b) % b;
const floorDiv = (a: bigint, b: bigint) => (a - floorMod(a, b)) / b;
const dateOf = (ticks: bigint) => new Date(Number(floorDiv(ticks, TICKS_PER_MS)));

/** Ticks of a part; a nanosecond is a hundredth of one. */
function added(ticks: bigint, part: Part, count: number): bigint {
  if (part === "nanosecond") return ticks + BigInt(Math.trunc(count / 100));
  const length = LENGTHS[part];
  if (length !== undefined) return ticks + BigInt(count) * length;
  const date = dateOf(ticks);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + (part === "year" ? 12 * count : count));
  const last = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, last));
  return BigInt(date.getTime()) * TICKS_PER_MS + floorMod(ticks, TICKS_PER_MS);
}

/** How many boundaries of the part lie between two times: not how long it is. */
function boundaries(part: Part, from: bigint, to: bigint): number {
  if (part === "nanosecond") return Number((to - from) * 100n);
  const length = LENGTHS[part];
  if (length !== undefined) return Number(floorDiv(to, length) - floorDiv(from, length));
  const [a, b] = [dateOf(from), dateOf(to)];
  const years = b.getUTCFullYear() - a.getUTCFullYear();
  return part === "year" ? years : years * 12 + b.getUTCMonth() - a.getUTCMonth();
}

function partValue(part: Part, ticks: bigint): number {
  const date = dateOf(ticks);
  const fraction = Number(floorMod(ticks, 10_000_000n));
  switch (part) {
    case "year":
      return date.getUTCFullYear();
    case "month":
      return date.getUTCMonth() + 1;
    case "day":
      return date.getUTCDate();
    case "hour":
      return date.getUTCHours();
    case "minute":
      return date.getUTCMinutes();
    case "second":
      return date.getUTCSeconds();
    case "millisecond":
      return Math.floor(fraction / 10_000);
    case "microsecond":
      return Math.floor(fraction / 10);
    case "nanosecond":
      return fraction * 100;
  }
}

function binned(parts: readonly Value[]): Value {
  const [ticks, part] = [ticksOf(parts[0]), partOf(parts[1])];
  const size = parts.length > 2 ? parts[2] : 1;
  const start = parts.length > 3 ? ticksOf(parts[3]) : 0n;
  const length = part === "nanosecond" ? 1n : part === undefined ? undefined : LENGTHS[part];
  if (ticks === undefined || start === undefined || length === undefined) return undefined;
  if (!isWhole(size) || size < 1) return undefined;
  const bin = part === "nanosecond" ? BigInt(Math.max(1, Math.round(size / 100))) : length * BigInt(size);
  return textOf(start + floorDiv(ticks - start, bin) * bin);
}

function fromParts(parts: readonly Value[]): Value {
  if (!parts.every(isWhole)) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, fraction = 0] = parts;
  const two = (n: number) => String(n).padStart(2, "0");
  if (fraction < 0 || fraction > 9_999_999) return undefined;
  const text = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}`;
  const ticks = ticksOf(`${text}.${String(fraction).padStart(7, "0")}Z`);
  return ticks === undefined ? undefined : textOf(ticks);
}

const now = (nowMs: number) => BigInt(nowMs) * TICKS_PER_MS;
const asNumber = (ticks: bigint | undefined) => (ticks === undefined ? undefined : Number(ticks));
const asTimestamp = (ticks: bigint | undefined) =>
  ticks === undefined ? undefined : Number(floorDiv(ticks, TICKS_PER_MS));

export const DATES: Entries = {
  DATETIMEADD: entry(3, 3, ([name, count, time]) => {
    const [part, ticks] = [partOf(name), ticksOf(time)];
    if (part === undefined || ticks === undefined || !isWhole(count)) return undefined;
    return textOf(added(ticks, part, count));
  }),
  DATETIMEBIN: entry(2, 4, binned),
  DATETIMEDIFF: entry(3, 3, ([name, from, to]) => {
    const [part, a, b] = [partOf(name), ticksOf(from), ticksOf(to)];
    return part === undefined || a === undefined || b === undefined ? undefined : boundaries(part, a, b);
  }),
  DATETIMEFROMPARTS: entry(3, 7, fromParts),
  DATETIMEPART: entry(2, 2, ([name, time]) => {
    const [part, ticks] = [partOf(name), ticksOf(time)];
    return part === undefined || ticks === undefined ? undefined : partValue(part, ticks);
  }),
  DATETIMETOTICKS: entry(1, 1, ([time]) => asNumber(ticksOf(time))),
  DATETIMETOTIMESTAMP: entry(1, 1, ([time]) => asTimestamp(ticksOf(time))),
  GETCURRENTDATETIME: entry(0, 0, (_, nowMs) => textOf(now(nowMs))),
  GETCURRENTDATETIMESTATIC: entry(0, 0, (_, nowMs) => textOf(now(nowMs))),
  GETCURRENTTICKS: entry(0, 0, (_, nowMs) => Number(now(nowMs))),
  GETCURRENTTICKSSTATIC: entry(0, 0, (_, nowMs) => Number(now(nowMs))),
  GETCURRENTTIMESTAMP: entry(0, 0, (_, nowMs) => nowMs),
  GETCURRENTTIMESTAMPSTATIC: entry(0, 0, (_, nowMs) => nowMs),
  TICKSTODATETIME: entry(1, 1, ([ticks]) => (isWhole(ticks) ? textOf(BigInt(ticks)) : undefined)),
  TIMESTAMPTODATETIME: entry(1, 1, ([ms]) => (isWhole(ms) ? textOf(BigInt(ms) * TICKS_PER_MS) : undefined)),
};
