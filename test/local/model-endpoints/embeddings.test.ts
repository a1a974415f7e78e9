import { expect, it } from "vitest";
import { embeddingOf } from "../../../local/model-endpoints/embeddings.ts";
import { endpoints } from "./endpoints.ts";

const EMBEDDINGS = "/openai/v1/embeddings";
const dot = (a: Float32Array, b: Float32Array) =>
  a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);

it("gives unit vectors, near each other for texts that share words", () => {
  const [a, b, c] = ["the white whale swims", "the white whale dives", "an honest banker sleeps"].map(
    (text) => embeddingOf(text, 1536),
  ) as [Float32Array, Float32Array, Float32Array];
  expect(dot(a, a)).toBeCloseTo(1, 5);
  expect(dot(a, b)).toBeGreaterThan(0.5);
  expect(dot(a, c)).toBeLessThan(0.4);
});

it("answers the client library, which asks for base64", async () => {
  const { client } = await endpoints();
  const answer = await client("openai").embeddings.create({
    model: "embed-sim",
    input: ["one", "two words"],
  });
  expect(answer.data.map(({ index, embedding }) => [index, embedding.length])).toEqual([
    [0, 1536],
    [1, 1536],
  ]);
  expect(answer.usage).toEqual({ prompt_tokens: 4, total_tokens: 4 });
});

it("takes dimensions and token numbers", async () => {
  const { post } = await endpoints();
  const response = await post(EMBEDDINGS, { model: "embed-sim", input: [[1, 2, 3], [4]], dimensions: 8 });
  const { data } = (await response.json()) as { data: { embedding: number[] }[] };
  expect(data.map(({ embedding }) => embedding.length)).toEqual([8, 8]);
});

it.each([
  ["no input", {}, { code: "missing_required_parameter" }],
  ["an empty text", { input: ["a", ""] }, { param: "input" }],
  ["no texts", { input: [] }, { param: "input" }],
  ["a text too long", { input: "word ".repeat(10_000) }, { message: expect.stringContaining("8192 tokens") }],
  ["too many dimensions", { input: "a", dimensions: 4_000 }, { code: "integer_above_max_value" }],
])("refuses %s", async (_what, body, error) => {
  const { post } = await endpoints();
  const response = await post(EMBEDDINGS, { model: "embed-sim", ...body });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ error });
});
