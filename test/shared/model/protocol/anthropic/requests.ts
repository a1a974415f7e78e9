import fc from "fast-check";
import type { JsonObject } from "../../../../../shared/model/protocol/json.ts";

const text = fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" });
const filled = text.filter((each) => each.trim() !== "");
const id = fc.stringMatching(/^call_[A-Za-z0-9]{4,12}$/);
const name = fc.stringMatching(/^[a-z][a-z_]{1,12}$/);
const picture = fc.constantFrom(
  "https://example.org/a.png",
  "data:image/png;base64,iVBORw0KGgo=",
  "data:image/jpeg;base64,/9j/4AAQ",
);
const part = fc.oneof(
  text.map((said) => ({ type: "text", text: said })),
  picture.map((url) => ({ type: "image_url", image_url: { url } })),
);
const said = fc.oneof(text, fc.array(part, { minLength: 1, maxLength: 3 }));
const args = fc
  .dictionary(name, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
  .map((each) => JSON.stringify(each));

/** A turn of the model's: words, or calls with their results. */
const turn = fc.oneof(
  text.map((content) => [{ role: "assistant", content }]),
  fc
    .uniqueArray(fc.record({ id, name, said: args, result: text }), {
      minLength: 1,
      maxLength: 3,
      selector: (each) => each.id,
    })
    .map((calls) => [
      {
        role: "assistant",
        content: null,
        tool_calls: calls.map((call) => ({
          id: call.id,
          type: "function",
          function: { name: call.name, arguments: call.said },
        })),
      },
      ...calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: call.result })),
    ]),
);
const user = said.map((content) => ({ role: "user", content }));

const messages = fc
  .tuple(
    fc.array(fc.record({ role: fc.constantFrom("system", "developer"), content: text }), { maxLength: 2 }),
    user,
    fc.array(fc.tuple(turn, user), { maxLength: 3 }),
  )
  .map(([system, first, turns]) => [...system, first, ...turns.flatMap(([model, next]) => [...model, next])]);

const tool = fc.record(
  {
    name,
    description: text,
    parameters: fc.constant({ type: "object", properties: {} }),
    strict: fc.boolean(),
  },
  { requiredKeys: ["name"] },
);
const tools = fc
  .uniqueArray(tool, { minLength: 1, maxLength: 3, selector: (each) => each.name })
  .map((list) => list.map((each) => ({ type: "function", function: each })));

/** Requests of chat completions that Claude can be told. */
export const sayable: fc.Arbitrary<JsonObject> = fc.record(
  {
    model: fc.constant("claude-sim"),
    messages,
    tools,
    max_completion_tokens: fc.integer({ min: 1, max: 4_000 }),
    temperature: fc.double({ min: 0, max: 1, noNaN: true }),
    stop: fc.oneof(filled, fc.array(filled, { maxLength: 4 })),
    tool_choice: fc.constantFrom("auto", "none", "required"),
    parallel_tool_calls: fc.boolean(),
    user: text,
    stream: fc.boolean(),
    n: fc.constant(1),
    logprobs: fc.constant(false),
  },
  { requiredKeys: ["model", "messages", "tools"] },
);
