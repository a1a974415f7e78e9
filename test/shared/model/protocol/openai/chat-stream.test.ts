import fc from "fast-check";
import { expect, it } from "vitest";
import { ChatStream } from "../../../../../shared/model/protocol/openai/chat-stream.ts";

const chunk = (choices: object[], more: object = {}) =>
  `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", model: "m", choices, ...more })}`;
const said = (index: number, delta: object, finish_reason: string | null = null) => ({
  ...{ index, delta, finish_reason },
});

const TEXT = [
  ": comment",
  `event: message\n${chunk([said(0, { role: "assistant", content: "" })], { usage: null })}`,
  chunk([said(1, { role: "assistant", reasoning_content: "Hm" })]),
  chunk([said(0, { content: "A\u2028ß" }), said(1, { content: "B" })]),
  chunk([said(0, { content: "😀" }, "stop")]),
  chunk([said(1, { tool_calls: [{ index: 0, id: "t", function: { name: "f", arguments: "{" } }] })]),
  chunk([said(1, { tool_calls: [{ index: 0, id: "t", function: { arguments: "}" } }] }, "tool_calls")]),
  chunk([], { usage: { total_tokens: 3 } }),
  "data: [DONE]",
].join("\n\n");

const WHOLE = {
  ...{ object: "chat.completion", id: "c", model: "m", usage: { total_tokens: 3 } },
  choices: [
    {
      ...{ index: 0, logprobs: null, finish_reason: "stop" },
      message: { role: "assistant", content: "A\u2028ß😀" },
    },
    {
      ...{ index: 1, logprobs: null, finish_reason: "tool_calls" },
      message: {
        ...{ role: "assistant", content: "B", reasoning_content: "Hm" },
        tool_calls: [{ id: "t", function: { name: "f", arguments: "{}" } }],
      },
    },
  ],
};

it("is put together the same wherever its text is cut, and however its lines end", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(TEXT.length + 20)), fc.constantFrom("\n", "\r\n", "\r"), (cuts, lineEnd) => {
      const text = `${TEXT}\n\n`.replaceAll("\n", lineEnd);
      const stream = new ChatStream();
      const at = [0, ...cuts.toSorted((a, b) => a - b), text.length];
      const events = at.flatMap((from, i) => stream.take(text.slice(from, at[i + 1] ?? text.length)));
      expect(JSON.parse(stream.whole() ?? "")).toEqual(WHOLE);
      expect(events.map(({ isUsage }) => isUsage)).toEqual([...Array(6).fill(false), true]);
    }),
  );
});

it("shows nothing before something is said, and tells an answer from half of one", () => {
  const stream = new ChatStream();
  expect(stream.take(`${chunk([said(0, { role: "assistant", content: "" })])}\n\n`)).toEqual([]);
  expect(stream.whole()).toBeUndefined();
  expect(stream.take(`${chunk([said(0, { content: "x" })])}\n\n`)).toHaveLength(2);
  expect(stream.whole()).toBeUndefined();
  stream.take(`${chunk([said(0, {}, "stop")])}\n\n`);
  expect(stream.whole()).toContain('"content":"x"');
  stream.take('data: {"error": {"message": "late"}}\n\n');
  expect(stream.whole()).toBe('{"error":{"message":"late"}}');
});
