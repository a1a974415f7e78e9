import fc from "fast-check";
import { sealedFor } from "../../../../../shared/model/protocol/encrypted.ts";
import type { JsonObject } from "../../../../../shared/model/protocol/json.ts";

/** Generated requests of the Responses endpoint: what a client of OpenAI's SDK may put into them. */
const text = fc
  .string({ minLength: 1, maxLength: 20, unit: "grapheme" })
  .filter((each) => each.trim() !== "");
const name = fc.stringMatching(/^[a-z][a-z_]{1,12}$/);
const id = (prefix: string) => fc.stringMatching(/^[a-z0-9]{6}$/).map((each) => `${prefix}_${each}`);
/** Of a record the first are always there, the others now and then. */
const some = (must: Record<string, fc.Arbitrary<unknown>>, may: Record<string, fc.Arbitrary<unknown>> = {}) =>
  fc.record({ ...must, ...may }, { requiredKeys: Object.keys(must) }) as fc.Arbitrary<JsonObject>;
const is = <T>(value: T) => fc.constant(value);

const PICTURES = ["https://example.org/a.png", "data:image/png;base64,iVBORw0KGgo="];
const part = fc.oneof(
  some({ type: is("input_text"), text }),
  some(
    { type: is("input_image"), image_url: fc.constantFrom(...PICTURES) },
    { detail: fc.constantFrom("auto", "high", "low") },
  ),
  some({ type: is("input_file"), file_data: is("data:application/pdf;base64,JVBERi0=") }, { filename: text }),
);
const user = some(
  { role: is("user"), content: fc.oneof(text, fc.array(part, { minLength: 1, maxLength: 3 })) },
  { type: is("message") },
);
const system = some({ role: fc.constantFrom("system", "developer"), content: text });

/** What the model has said: its words with what a lab says of them, and what it calls, with the results. */
export const words = some(
  {
    ...{ type: is("message"), role: is("assistant") },
    content: some({ type: is("output_text"), text }, { annotations: is([]), logprobs: is([]) }).map(
      (each) => [each],
    ),
  },
  { id: id("msg"), status: is("completed"), phase: fc.constantFrom("commentary", "final_answer") },
);
export const calls = fc.uniqueArray(
  some(
    {
      ...{ type: is("function_call"), call_id: id("call"), name },
      arguments: fc
        .dictionary(name, fc.jsonValue({ maxDepth: 2 }), { minKeys: 1, maxKeys: 3 })
        .map((each) => JSON.stringify(each)),
    },
    { id: id("fc"), status: is("completed") },
  ),
  { minLength: 1, maxLength: 3, selector: (each) => each.call_id },
);
const resultOf = ({ call_id }: JsonObject) =>
  some(
    {
      ...{ type: is("function_call_output"), call_id: is(call_id) },
      output: fc.oneof(
        text,
        some({ type: is("input_text"), text }).map((each) => [each]),
      ),
    },
    { status: is("completed") },
  );
export const DEPLOYMENT = "d";
const thoughts = fc.oneof(
  some({ type: is("reasoning"), id: id("rs"), summary: is([]) }),
  text.map((thinking) => ({
    ...{ type: "reasoning", id: "rs_1", summary: [] },
    encrypted_content: sealedFor(
      DEPLOYMENT,
      Buffer.from(JSON.stringify([{ type: "thinking", thinking, signature: "s" }])).toString("base64"),
    ),
  })),
);
const turn = fc.oneof(
  words.map((each) => [each]),
  fc.tuple(thoughts, words).map(([thought, each]) => [thought, each]),
  fc
    .tuple(fc.option(thoughts), fc.option(words), fc.option(thoughts), calls)
    .chain(([thought, said, again, all]) =>
      fc
        .tuple(...all.map(resultOf))
        .map((results) => [
          ...[thought, said, said === null ? null : again].filter((each) => each !== null),
          ...all,
          ...results,
        ]),
    ),
);
const items = fc
  .tuple(fc.array(system, { maxLength: 1 }), user, fc.array(fc.tuple(turn, user), { maxLength: 3 }))
  .map(([before, first, turns]) => [...before, first, ...turns.flatMap(([said, next]) => [...said, next])]);

const closed = { type: "object", properties: { x: { type: "number" } }, additionalProperties: false };
const format = fc.oneof(
  some({ type: is("text") }),
  some({ type: is("json_object") }),
  some({ type: is("json_schema"), name, schema: is(closed) }, { strict: fc.boolean(), description: text }),
);
const tool = some(
  { type: is("function"), name, parameters: is({ type: "object", properties: { a: { type: "string" } } }) },
  { description: text, strict: fc.boolean() },
);
const tools = fc.uniqueArray(tool, { minLength: 1, maxLength: 3, selector: (each) => each.name });

/** With tools more often than not: Claude wants those that were called defined. */
export const request = fc
  .tuple(
    some({ input: fc.oneof({ weight: 1, arbitrary: text }, { weight: 4, arbitrary: items }) }),
    fc.option(tools, { freq: 8 }),
    some(
      {},
      {
        instructions: text,
        tool_choice: fc.oneof(
          fc.constantFrom("auto", "none", "required"),
          some({ type: is("function"), name }),
        ),
        text: some({}, { format, verbosity: fc.constantFrom("low", "medium") }),
        reasoning: some(
          {},
          { effort: fc.constantFrom("none", "low", "high"), summary: fc.constantFrom("auto", "detailed") },
        ),
        max_output_tokens: fc.integer({ min: 16, max: 4_000 }),
        temperature: fc.double({ min: 0, max: 2, noNaN: true }),
        top_p: fc.double({ min: 0.1, max: 1, noNaN: true }),
        parallel_tool_calls: fc.boolean(),
        service_tier: fc.constantFrom("auto", "default", "flex"),
        safety_identifier: text,
        user: text,
        prompt_cache_key: text,
        top_logprobs: fc.integer({ min: 0, max: 5 }),
        include: fc.subarray(["reasoning.encrypted_content", "message.output_text.logprobs"]),
        truncation: fc.constantFrom("disabled", "auto"),
        store: is(false),
        metadata: is({ a: "b" }),
        stream: fc.boolean(),
        stream_options: is({ include_obfuscation: false }),
        max_tool_calls: is(3),
      },
    ).chain((all) => {
      // Each alone may be refused: a few at a time leave most requests to be sent.
      const names = Object.keys(all);
      return fc
        .subarray(names, { maxLength: Math.min(4, names.length) })
        .map((kept) => Object.fromEntries(kept.map((each) => [each, all[each]])));
    }),
  )
  .map(
    ([input, given, rest]): JsonObject => ({
      ...{ model: "m", ...input, ...rest },
      ...(given === null ? {} : { tools: given }),
    }),
  );
