import { equal, typeOf, type Value } from "../values.ts";

/** A function of the query language, given its arguments and the query's time in Unix ms. */
export type Run = (parts: readonly Value[], nowMs: number) => Value;

export interface Entry {
  readonly least: number;
  readonly most: number;
  readonly run: Run;
}

export type Entries = Readonly<Record<string, Entry>>;

/** More arguments than any query has. */
export const ANY_NUMBER = 1_000;

export const entry = (least: number, most: number, run: Run): Entry => ({ least, most, run });

/** A function of a text; undefined for anything else. */
export const ofText = (
  least: number,
  most: number,
  run: (t: string, ...rest: readonly Value[]) => Value,
): Entry => entry(least, most, ([t, ...rest]) => (typeof t === "string" ? run(t, ...rest) : undefined));

/** A function of an array; undefined for anything else. */
export const ofArray = (
  least: number,
  most: number,
  run: (list: readonly Value[], ...rest: readonly Value[]) => Value,
): Entry => entry(least, most, ([list, ...rest]) => (Array.isArray(list) ? run(list, ...rest) : undefined));

/** A function of numbers only; undefined for anything else, or if the result is not a number. */
export const ofNumbers = (least: number, most: number, run: (...numbers: number[]) => number): Entry =>
  entry(least, most, (parts) => {
    if (!parts.every((part) => typeof part === "number")) return undefined;
    const result = run(...(parts as number[]));
    return Number.isFinite(result) ? result : undefined;
  });

export const isWhole = (value: Value): value is number =>
  typeof value === "number" && Number.isInteger(value);

export const contains = (list: readonly Value[], sought: Value): boolean =>
  list.some((each) => equal(each, sought));

export const isType =
  (...types: string[]): Run =>
  ([value]) =>
    types.includes(typeOf(value));
