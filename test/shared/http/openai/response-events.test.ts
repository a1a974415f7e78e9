import { OpenAI } from "openai";
import { describe, expect, it } from "vitest";
import {
  eventText,
  type ResponseEvent,
  ResponseEvents,
} from "../../../../shared/http/openai/responses/events.ts";
import type { JsonObject } from "../../../../shared/model/protocol/json.ts";

const message = (id: string, text: string) => ({
  ...{ id, type: "message", role: "assistant", status: "completed" },
  content: [{ type: "output_text", text, annotations: [], logprobs: [] }],
});
const response = (status: string, output: readonly JsonObject[] = []) => ({
  ...{ id: "resp_1", object: "response", created_at: 1, background: true, model: "m", status, output },
  ...{ error: null, incomplete_details: null, usage: null },
});
/** The events of a message, as a lab streams it; `cut` of them. */
const streamed = (id: string, text: string, cut = 6) => {
  const of = { item_id: id, output_index: 0, content_index: 0 };
  const part = { type: "output_text", text, annotations: [], logprobs: [] };
  return [
    {
      type: "response.output_item.added",
      output_index: 0,
      item: { ...message(id, ""), content: [], status: "in_progress" },
    },
    { type: "response.content_part.added", ...of, part: { ...part, text: "" } },
    { type: "response.output_text.delta", ...of, delta: text, logprobs: [], sequence_number: 77 },
    { type: "response.output_text.done", ...of, text, logprobs: [] },
    { type: "response.content_part.done", ...of, part },
    { type: "response.output_item.done", output_index: 0, item: message(id, text) },
  ]
    .slice(0, cut)
    .map((event) => JSON.stringify(event));
};

/** All events of a response, as the SDK's own helper takes them off the wire. */
async function read(make: (events: ResponseEvents) => ResponseEvent[]) {
  const events = new ResponseEvents();
  const all = [...events.begin(response("queued")), ...events.start(response("queued")), ...make(events)];
  expect(all.map(({ sequence_number }) => sequence_number)).toEqual(all.map((_, at) => at));
  const headers = { "content-type": "text/event-stream" };
  const fetch = async () => new Response(all.map(eventText).join(""), { headers });
  const client = new OpenAI({ baseURL: "http://127.0.0.1", apiKey: "none", maxRetries: 0, fetch });
  return { all, final: await client.responses.stream({ response_id: "resp_1" }).finalResponse() };
}

describe("the events of a response, read by the SDK", () => {
  it("are the lab's, numbered anew", async () => {
    const { all, final } = await read((events) => [
      ...streamed("msg_1", "Hello").flatMap((data) => events.add(data, "d")),
      ...events.end(response("completed", [message("msg_1", "Hello")])),
    ]);
    expect(all).toHaveLength(3 + 6 + 1);
    expect(final.output_text).toBe("Hello");
  });

  it("are made of the whole answer where nothing was streamed", async () => {
    const call = {
      id: "fc_1",
      type: "function_call",
      call_id: "c",
      name: "f",
      arguments: "{}",
      status: "completed",
    };
    const refusal = { ...message("msg_2", ""), content: [{ type: "refusal", refusal: "No" }] };
    const thought = {
      id: "rs_1",
      type: "reasoning",
      summary: [],
      content: [{ type: "reasoning_text", text: "hm" }],
    };
    const output = [thought, message("msg_1", "Hello"), call, refusal];
    const { final } = await read((events) => events.end(response("completed", output)));
    expect(final.output).toMatchObject(output);
    expect(final.output_text).toBe("Hello");
  });

  it.each([1, 2, 3, 4, 5])("go on after an attempt that was lost at its event %i", async (cut) => {
    const { all, final } = await read((events) => [
      ...streamed("msg_1", "Hel", cut).flatMap((data) => events.add(data, "d")),
      ...events.close(),
      ...streamed("msg_2", "Hello").flatMap((data) => events.add(data, "d")),
      ...events.end(response("completed", [message("msg_2", "Hello")])),
    ]);
    const done = all.filter(({ type }) => type === "response.output_item.done");
    expect(done.map(({ output_index, item }) => [output_index, (item as JsonObject).status])).toEqual([
      [0, "incomplete"],
      [1, "completed"],
    ]);
    expect(final.output_text).toBe("Hello");
  });

  it("go on where the last attempt left none", async () => {
    const { final } = await read((events) => [
      ...streamed("msg_1", "Hel", 3).flatMap((data) => events.add(data, "d")),
      ...events.end(response("completed", [message("msg_2", "Hello")])),
    ]);
    expect(final.output_text).toBe("Hello");
  });

  it("end what was cut off by the whole answer", async () => {
    const { all, final } = await read((events) => [
      ...streamed("msg_1", "Hello", 3).flatMap((data) => events.add(data, "d")),
      ...events.end(response("completed", [message("msg_1", "Hello world")])),
    ]);
    expect(all.at(-2)).toMatchObject({
      type: "response.output_item.done",
      item: message("msg_1", "Hello world"),
    });
    expect(final.output_text).toBe("Hello world");
  });

  it.each([
    ["cancelled", "response.incomplete"],
    ["failed", "response.failed"],
    ["incomplete", "response.incomplete"],
  ])("of a %s one end with %s", async (status, type) => {
    const { all, final } = await read((events) => [
      ...streamed("msg_1", "Hel", 3).flatMap((data) => events.add(data, "d")),
      ...events.end(response(status)),
    ]);
    expect(all.at(-1)?.type).toBe(type);
    expect(final.status).toBe(status);
  });

  it("seal thoughts for their deployment", () => {
    const events = new ResponseEvents();
    const item = { id: "rs_1", type: "reasoning", summary: [], encrypted_content: "gAAA" };
    const data = JSON.stringify({ type: "response.output_item.done", output_index: 0, item });
    const [event] = events.add(data, "gpt-1");
    expect(event).toMatchObject({
      item: { encrypted_content: expect.stringMatching(/^sy1\.[\w-]+\.gAAA$/) },
    });
  });
});
