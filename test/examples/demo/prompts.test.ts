import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../../../examples/demo/package-root.ts";
import { parsePrompts } from "../../../examples/demo/prompts.ts";

describe("prompts.jsonl", () => {
  const prompts = parsePrompts(
    readFileSync(join(packageRoot(), "examples", "demo", "prompts.jsonl"), "utf8"),
  );

  it("has tasks enough, of four kinds, over several works", () => {
    expect(prompts.length).toBeGreaterThanOrEqual(24);
    expect(new Set(prompts.map((prompt) => prompt.task))).toEqual(
      new Set(["summarise", "classify", "extract", "translate"]),
    );
    expect(new Set(prompts.map((prompt) => prompt.source.work)).size).toBeGreaterThanOrEqual(10);
  });

  it("has texts of works long in the public domain", () => {
    for (const { id, source, body } of prompts) {
      const messages = body.messages as { role: string; content: string }[];
      const [instruction = "", passage = ""] = (messages.at(-1)?.content ?? "").split("\n\n");
      const words = passage.split(/\s+/).length;
      expect([id, words >= 60 && words <= 150]).toEqual([id, true]);
      expect(instruction.length).toBeGreaterThan(20);
      // No work after 1900, and so nobody's still.
      expect(source.year).toBeLessThan(1900);
    }
  });
});

it.each([
  ["{", "line 1"],
  ['\n{"id":"a"}', "line 2: it needs an id and a task"],
  ['{"id":"a","task":"t","source":{"author":"a"},"body":{"messages":[]}}', "source"],
  [
    '{"id":"a","task":"t","source":{"author":"a","work":"w","year":1},"body":{"messages":[],"model":"m"}}',
    "model",
  ],
])("names the line that is wrong in %j", (text, fault) => {
  expect(() => parsePrompts(text)).toThrow(fault);
});

it("refuses an id that is used twice", () => {
  const line = '{"id":"a","task":"t","source":{"author":"a","work":"w","year":1},"body":{"messages":[]}}';
  expect(parsePrompts(`${line}\n\n`)).toHaveLength(1);
  expect(() => parsePrompts(`${line}\n${line}`)).toThrow("line 2: the id a is used twice");
});
