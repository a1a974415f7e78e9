import { afterAll, beforeAll, expect, it } from "vitest";
import { answer, completion } from "../labs.ts";
import { BatchWorld, jsonl, lineOf } from "./batch-world.ts";

/** `x-switchyard-validate` on a batch: each line's answer is to hold that line's own schema. */
const batches = await BatchWorld.open();
const { client, world } = batches;
const { labs } = world;
afterAll(() => world.close());
beforeAll(() => {
  world.catalogue = labs.catalogue(
    ...["openai-one", "xai-two"].map((name) => ({ name, capabilities: ["json_schema"] })),
  );
});

const schema = { type: "object", properties: { x: { type: "number" } }, required: ["x"] };
const format = (of: object) => ({
  response_format: { type: "json_schema", json_schema: { name: "x", schema: of } },
});
const line = (custom_id: string, more: object, model = "both") => {
  const made = lineOf({ custom_id, model });
  return { ...made, body: { ...made.body, ...more } };
};
const create = async (lines: readonly object[], headers = { "x-switchyard-validate": "true" }) =>
  client.batches.create(
    {
      input_file_id: await batches.upload(jsonl(lines)),
      ...{ endpoint: "/v1/chat/completions", completion_window: "24h" },
    },
    { headers },
  );

it("an answer that does not hold its line's schema is tried for again, and is an error in the end", async () => {
  labs.reply("openai-one", answer(200, completion('{"x": "no number"}')));
  labs.reply("xai-two", answer(200, completion('{"x": 1}')));
  const lines = [line("both", format(schema)), line("one", format(schema), "openai-one-model")];
  const batch = await batches.ended((await create(lines)).id, 1_000);
  expect(batch.request_counts).toEqual({ total: 2, completed: 1, failed: 1 });
  const { output, errors } = await batches.both(batch);
  expect(output[0]?.custom_id).toBe("both");
  expect(output[0]?.response.body.choices[0].message.content).toBe('{"x": 1}');
  expect(errors).toMatchObject([{ custom_id: "one", response: null, error: { code: "attempts_exhausted" } }]);
  // All of it was paid for.
  expect(batch.usage?.total_tokens).toBeGreaterThan(0);
  const unasked = await batches.ended((await create(lines, {} as never)).id, 1_000);
  expect(unasked.request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
});

it("a line without a schema, or with one that leads out of it, is a fault of the input with its line", async () => {
  const away = { $ref: "https://example.com/schema" };
  const lines = [line("a", format(schema)), line("b", {}), line("c", format(away))];
  const batch = await batches.ended((await create(lines)).id);
  expect(batch).toMatchObject({ status: "failed", request_counts: { total: 0 } });
  expect(batch.errors?.data).toMatchObject(
    [
      { code: "invalid_request", line: 2, message: /no JSON schema/, param: "body" },
      { code: "invalid_request", line: 3, message: /leads out of it/, param: "body" },
    ].map(({ message, ...rest }) => ({ ...rest, message: expect.stringMatching(message) })),
  );
});

it("what cannot be checked at all is refused at once", async () => {
  const embeddings = client.batches.create(
    {
      input_file_id: await batches.upload("{}"),
      ...{ endpoint: "/v1/embeddings", completion_window: "24h" },
    },
    { headers: { "x-switchyard-validate": "true" } },
  );
  await expect(embeddings).rejects.toMatchObject({ status: 400, param: "x-switchyard-validate" });
});
