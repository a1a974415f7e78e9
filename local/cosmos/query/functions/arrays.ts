import { compareAcross, equal, typeOf, type Value } from "../values.ts";
import { ANY_NUMBER, contains, type Entries, type Entry, entry, isWhole, ofArray } from "./entry.ts";

function isPart(element: Value, sought: Value): boolean {
  if (typeOf(element) !== "object" || typeOf(sought) !== "object") return false;
  const owner = element as Record<string, Value>;
  return Object.entries(sought as object).every(
    ([name, value]) => Object.hasOwn(owner, name) && equal(owner[name], value),
  );
}

function slice(list: readonly Value[], start: Value, length: Value): Value {
  if (!isWhole(start) || (length !== undefined && !isWhole(length))) return undefined;
  const first = start < 0 ? Math.max(0, list.length + start) : start;
  return list.slice(first, length === undefined ? undefined : first + Math.max(0, length));
}

/** A function of an array of numbers; undefined if it is empty or holds anything else. */
const ofNumberArray = (run: (numbers: readonly number[]) => number): Entry =>
  ofArray(1, 1, (list) =>
    list.length > 0 && list.every((each) => typeof each === "number") ? run(list) : undefined,
  );

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return ((low ?? 0) + (high ?? 0)) / 2;
}

const extreme = (sign: number): Entry =>
  ofArray(1, 1, (list) =>
    list.length === 0 ? undefined : list.reduce((a, b) => (compareAcross(b, a) * sign > 0 ? b : a)),
  );

/** A function of two arrays as sets. */
const ofSets = (run: (a: readonly Value[], b: readonly Value[]) => Value): Entry =>
  entry(2, 2, ([a, b]) => (Array.isArray(a) && Array.isArray(b) ? run(distinct(a), distinct(b)) : undefined));

function distinct(list: readonly Value[]): Value[] {
  const found: Value[] = [];
  for (const each of list) if (!contains(found, each)) found.push(each);
  return found;
}

export const ARRAYS: Entries = {
  ARRAY_AVG: ofNumberArray((numbers) => sum(numbers) / numbers.length),
  ARRAY_CONCAT: entry(2, ANY_NUMBER, (lists) => (lists.every(Array.isArray) ? lists.flat() : undefined)),
  ARRAY_CONTAINS: ofArray(
    2,
    3,
    (list, sought, partial) =>
      contains(list, sought) || (partial === true && list.some((each) => isPart(each, sought))),
  ),
  ARRAY_CONTAINS_ALL: ofArray(2, ANY_NUMBER, (list, ...sought) =>
    sought.every((each) => contains(list, each)),
  ),
  ARRAY_CONTAINS_ANY: ofArray(2, ANY_NUMBER, (list, ...sought) =>
    sought.some((each) => contains(list, each)),
  ),
  ARRAY_LENGTH: ofArray(1, 1, (list) => list.length),
  ARRAY_MAX: extreme(1),
  ARRAY_MEDIAN: ofNumberArray(median),
  ARRAY_MIN: extreme(-1),
  ARRAY_SLICE: ofArray(2, 3, slice),
  ARRAY_SUM: ofNumberArray(sum),
  CHOOSE: entry(2, ANY_NUMBER, ([at, ...parts]) => (isWhole(at) && at >= 1 ? parts[at - 1] : undefined)),
  OBJECTTOARRAY: entry(1, 1, ([value]) =>
    typeOf(value) === "object" ? Object.entries(value as object).map(([k, v]) => ({ k, v })) : undefined,
  ),
  SETDIFFERENCE: ofSets((a, b) => a.filter((each) => !contains(b, each))),
  SETEQUAL: ofSets((a, b) => a.length === b.length && a.every((each) => contains(b, each))),
  SETINTERSECT: ofSets((a, b) => a.filter((each) => contains(b, each))),
  SETUNION: ofSets((a, b) => [...a, ...b.filter((each) => !contains(a, each))]),
};
