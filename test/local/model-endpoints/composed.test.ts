import { expect, it } from "vitest";
import { z } from "zod";
import { labelsIn } from "../../../local/model-endpoints/classify.ts";
import { objectForTask, valueForSchema } from "../../../local/model-endpoints/json-answer.ts";
import { passageOf } from "../../../local/model-endpoints/passage.ts";
import { seeded } from "../../../local/model-endpoints/seeded.ts";
import { summarise } from "../../../local/model-endpoints/summary.ts";
import { languageOf, translate } from "../../../local/model-endpoints/translate.ts";
import { ISHMAEL } from "./endpoints.ts";

it("tells the task from the text, wherever the task stands", () => {
  for (const prompt of [
    `Summarise this.\n\n${ISHMAEL}`,
    `${ISHMAEL}\n\nSummarise this.`,
    `Summarise this: ${ISHMAEL}`,
    `Summarise this. """${ISHMAEL}"""`,
    `Summarise this. <text>${ISHMAEL}</text>`,
  ]) {
    const passage = passageOf("Be brief.", prompt);
    expect(passage.text).toBe(ISHMAEL);
    expect(passage.task).toMatch(/^Be brief\.\nSummarise this/);
    expect(passage.sentences).toHaveLength(3);
  }
});

it("summarises with as many of the text's own sentences as are asked for", () => {
  const passage = (task: string) => passageOf("", `${task}\n\n${ISHMAEL}`);
  const sentences = passage("").sentences;
  const one = summarise(passage("Summarise in one sentence."), seeded("a"));
  expect(sentences).toContain(one);
  const two = summarise(passage("Give two bullet points."), seeded("a")).split("\n");
  expect(two).toHaveLength(2);
  for (const bullet of two) expect(sentences).toContain(bullet.replace(/^- /, ""));
  const short = summarise(passage("Summarise in at most 8 words."), seeded("a"));
  expect(short.split(" ").length).toBeLessThanOrEqual(8);
});

it("finds the labels a task offers", () => {
  expect(labelsIn("Classify as positive, negative or neutral.")).toEqual(["positive", "negative", "neutral"]);
  expect(labelsIn('Answer with one of: "a", "b"')).toEqual(["a", "b"]);
  expect(labelsIn("Genre is one of the following: speech / novel / scripture")).toEqual([
    "speech",
    "novel",
    "scripture",
  ]);
  expect(labelsIn("Tell me a story.")).toEqual([]);
});

it("gives an object with the keys a task names", () => {
  const passage = passageOf("", `Extract as JSON with the keys names, year and themes.\n\n${ISHMAEL}`);
  const value = objectForTask(passage, seeded("a"));
  expect(value).toEqual({ names: ["Ishmael"], year: expect.any(String), themes: expect.any(Array) });
});

it("gives values that fit their JSON schema", () => {
  const schema = {
    type: "object",
    additionalProperties: false,
    required: ["title", "year", "confidence", "people", "genre", "place", "parts", "sure", "note", "kind"],
    properties: {
      title: { type: "string", minLength: 3, maxLength: 12 },
      year: { type: "integer", minimum: 1000, maximum: 2100 },
      confidence: { type: "number", minimum: 0, maximum: 1 },
      people: { type: "array", items: { type: "string" }, minItems: 2, maxItems: 4 },
      genre: { enum: ["novel", "speech"] },
      place: { anyOf: [{ type: "object", properties: { city: { type: "string" } } }, { type: "null" }] },
      parts: { type: "array", items: { $ref: "#/$defs/part" }, minItems: 1 },
      sure: { type: "boolean" },
      note: { type: ["string", "null"] },
      kind: { const: "passage" },
    },
    $defs: { part: { type: "object", properties: { sentence: { type: "string" } }, required: ["sentence"] } },
  };
  const fits = z.fromJSONSchema(schema as never);
  for (let seed = 0; seed < 20; seed++) {
    const value = valueForSchema(schema, passageOf("", ISHMAEL), seeded(`${seed}`));
    expect(fits.safeParse(value)).toMatchObject({ success: true });
  }
});

it("ends for a schema that refers to itself", () => {
  const schema = { type: "object", properties: { next: { $ref: "#" } } };
  expect(JSON.stringify(valueForSchema(schema, passageOf("", ISHMAEL), seeded("a"))).length).toBeLessThan(
    200,
  );
});

it("translates word for word, and keeps what it does not know", () => {
  expect(languageOf("Translate into German.")).toBe("german");
  expect(languageOf("Translate into Klingon.")).toBeUndefined();
  expect(translate("The house and the sea, Ishmael", "french")).toBe("Le maison et le mer, Ishmael");
});
