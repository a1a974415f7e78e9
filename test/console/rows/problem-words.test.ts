import { expect, it } from "vitest";
import {
  adviceWords,
  faultWords,
  headerFault,
  labelOf,
  statusWords,
} from "../../../console/rows/problem-words.ts";
import { ERRORS } from "../../../shared/errors.ts";

it("a fault names its field as the form does, and what is no field by its path", () => {
  expect(labelOf("/max_cost")).toBe("At most it may cost");
  expect(labelOf("/limits/submits_per_second")).toBe("Submits a second");
  expect(labelOf("/allow_models/0")).toBe("Models it may ask for");
  expect(labelOf("Idempotency-Key")).toBe("Idempotency key");
  expect([labelOf("/body/messages/0"), labelOf("/toString"), labelOf("")]).toEqual([
    ...[undefined, undefined, undefined],
  ]);
});

it("what is wrong is said without the words of a library", () => {
  expect(faultWords("Too small: expected number to be >0")).toBe("must be more than 0");
  expect(faultWords("Too big: expected array to have <=16 items")).toBe("must be at most 16 items");
  expect(faultWords("is not in Unix seconds: it looks like milliseconds")).toBe("is too far away");
  expect(faultWords("must be one of a, b")).toBe("must be one of a, b");
});

it("an advice asks nobody at a form to read the API", () => {
  for (const { advice } of Object.values(ERRORS))
    expect(adviceWords(advice) ?? "").not.toMatch(/`(detail|faults|Retry-After|If-None-Match)|GET |;$/);
  expect(adviceWords(ERRORS.invalid_request.advice)).toBeUndefined();
  expect(adviceWords(ERRORS.max_cost_too_low.advice)).toBe(
    "Raise “At most it may cost”, shorten the prompt, or limit the answer (`max_tokens`).",
  );
  expect(adviceWords(ERRORS.too_many_requests.advice, 5)).toBe("Try again after 5 s; nothing was accepted.");
});

it("an answer without words gets some", () => {
  expect(statusWords(414, "")).toBe("That is too long: shorten what you typed.");
  expect(statusWords(502, " \n")).toBe("The service answers 502.");
  expect(statusWords(502, "Bad gateway")).toBe("Bad gateway");
});

it("what a header cannot carry is found before it is sent", () => {
  expect(headerFault("a key-1 ~")).toBeUndefined();
  for (const text of ["ключ", "🚂", "é", "a\nb"]) expect(headerFault(text)).toContain("ASCII");
});
