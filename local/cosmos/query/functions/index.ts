import { badRequest } from "../../cosmos-error.ts";
import { ARRAYS } from "./arrays.ts";
import { DATES } from "./dates.ts";
import type { Entry, Run } from "./entry.ts";
import { MATHS } from "./maths.ts";
import { TEXT } from "./text.ts";
import { TYPES } from "./types.ts";

const FUNCTIONS: ReadonlyMap<string, Entry> = new Map(
  Object.entries({ ...TEXT, ...MATHS, ...ARRAYS, ...TYPES, ...DATES }),
);

/** @throws CosmosError 400 for a function that is not served, or that takes other arguments */
export function functionNamed(name: string, parts: number): Run {
  const found = FUNCTIONS.get(name);
  if (found === undefined) throw badRequest(`The function ${name} is not served by this emulator.`);
  if (parts < found.least || parts > found.most) {
    throw badRequest(`The function ${name} takes ${found.least} to ${found.most} arguments, not ${parts}.`);
  }
  return found.run;
}
