import type { ServerResponse } from "node:http";
import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Labs } from "../shared/labs.ts";
import { Door } from "./door.ts";

/** What becomes of a background response's stream where the process that runs it is killed: over the real SDK. */
const labs = new Labs();
const door = new Door({ LEASE_SECONDS: "2" }, ["--instances", "2"]);

beforeAll(async () => {
  await labs.start();
  const more = { base_url: `${labs.url}/slow/v1`, endpoints: ["/v1/chat/completions"] };
  await door.start({ slow: [] }, { slow: more });
});
afterAll(async () => {
  await door.stop();
  await labs.stop();
});

const chunk = (delta: object, finish_reason: string | null = null) => {
  const head = { id: "c-1", object: "chat.completion.chunk", created: 7, model: "m" };
  return `data: ${JSON.stringify({ ...head, choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
};
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const END = `${chunk({}, "stop")}data: ${JSON.stringify({ id: "c-1", choices: [], usage })}\n\ndata: [DONE]\n\n`;
const stream = (text: string, then: (response: ServerResponse) => void) => {
  labs.reply("slow", ({ response }) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(text, () => then(response));
  });
};

/** As a client does whose connection dies with a host: asks again. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (thrown) {
      if (!(thrown instanceof Error && /terminated|onnection|socket/.test(thrown.message))) throw thrown;
    }
  }
}

describe("a background stream whose instance is killed", { tags: ["long"] }, () => {
  it("goes on with the next attempt, without a gap or a repeat, whoever reads it", async () => {
    const client = door.client();
    stream(chunk({ role: "assistant", content: "The " }), () => undefined);
    const seen: ResponseStreamEvent[] = [];
    let id = "";
    const first = client.responses.create({
      model: "slow",
      input: "A river?",
      background: true,
      stream: true,
    });
    const read = async (events: AsyncIterable<ResponseStreamEvent>) => {
      for await (const event of events) {
        seen.push(event);
        if (event.type === "response.created") id = event.response.id;
        if (event.type !== "response.output_text.delta" || event.delta !== "The ") continue;
        // The first words are out: now everybody dies.
        stream(`${chunk({ role: "assistant", content: "The Rhine" })}${END}`, (response) => response.end());
        for (const pid of door.stack.processes().host) process.kill(pid, "SIGKILL");
      }
    };
    await expect(read(await first)).rejects.toThrow();
    while (!/completed|failed|incomplete/.test(seen.at(-1)?.type.replace("response.", "") ?? "")) {
      const starting_after = seen.at(-1)?.sequence_number ?? -1;
      await patiently(async () =>
        read(await client.responses.retrieve(id, { stream: true, starting_after })),
      );
    }
    expect(seen.map((event) => event.sequence_number)).toEqual(seen.map((_, at) => at));
    const done = seen.flatMap((event) => (event.type === "response.output_item.done" ? [event.item] : []));
    expect(done).toMatchObject([{ status: "incomplete" }, { status: "completed" }]);
    const again: ResponseStreamEvent[] = [];
    for await (const event of await client.responses.retrieve(id, { stream: true })) again.push(event);
    expect(again).toEqual(seen);
    const helper = await client.responses.stream({ response_id: id, starting_after: 3 }).finalResponse();
    expect(helper).toMatchObject({ status: "completed", output_text: "The Rhine" });
    const polled = await client.responses.retrieve(id);
    expect(polled.output).toEqual(seen.at(-1)?.type === "response.completed" ? done.slice(1) : []);
    expect(labs.calls.length).toBe(2);
  });
});
