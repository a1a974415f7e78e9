import Anthropic from "@anthropic-ai/sdk";
import { describe, expect, it } from "vitest";
import { endpoints, ISHMAEL } from "./endpoints.ts";

/** Anthropic's own SDK against the simulated Claude. */
async function claude() {
  const server = await endpoints();
  const options = { baseURL: `${server.base}/anthropic`, apiKey: "none", maxRetries: 0 };
  return { server, client: new Anthropic(options) };
}
const ask = (content: string) => ({
  model: "claude-sim",
  max_tokens: 500,
  messages: [{ role: "user" as const, content }],
});
const weather = {
  name: "get_weather",
  input_schema: { type: "object" as const, properties: { city: { type: "string" } } },
};

describe("the simulated Claude, through Anthropic's SDK", () => {
  it("answers, whole and streamed, with the same message", async () => {
    const { client } = await claude();
    const request = { ...ask(`Summarise: ${ISHMAEL}`), thinking: { type: "adaptive" as const } };
    const whole = await client.messages.create(request);
    expect(whole).toMatchObject({ type: "message", stop_reason: "end_turn" });
    expect(whole.content.map(({ type }) => type)).toEqual(["thinking", "text"]);
    const streamed = await client.messages.stream(request).finalMessage();
    expect(streamed.content.map(({ type }) => type)).toEqual(["thinking", "text"]);
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens);
    expect(streamed.stop_reason).toBe("end_turn");
  });

  it("calls tools, and goes on from their results", async () => {
    const { client } = await claude();
    const request = { ...ask("What is the weather in Nuuk?"), tools: [weather] };
    const called = await client.messages.stream(request).finalMessage();
    expect(called.stop_reason).toBe("tool_use");
    const [use] = called.content.filter((block) => block.type === "tool_use");
    if (use === undefined) throw new Error("no call");
    const result = { type: "tool_result" as const, tool_use_id: use.id, content: "Snow" };
    const messages = [
      ...request.messages,
      { role: "assistant" as const, content: called.content },
      { role: "user" as const, content: [result] },
    ];
    const answer = await client.messages.create({ ...request, messages });
    expect(answer.content).toMatchObject([{ type: "text", text: "According to the result: Snow" }]);
  });

  it("says why it stopped, and what the cache took and gave", async () => {
    const { client } = await claude();
    expect(await client.messages.create({ ...ask(ISHMAEL), max_tokens: 3 })).toMatchObject({
      stop_reason: "max_tokens",
    });
    expect(await client.messages.create({ ...ask(ISHMAEL), stop_sequences: ["sail"] })).toMatchObject({
      stop_reason: "stop_sequence",
      stop_sequence: "sail",
    });
    expect(await client.messages.create(ask(`${ISHMAEL} [[output_filter]]`))).toMatchObject({
      stop_reason: "refusal",
    });
    const cache_control = { type: "ephemeral" as const };
    const text = ISHMAEL.repeat(20);
    const cached = {
      ...ask(""),
      messages: [{ role: "user" as const, content: [{ type: "text" as const, text, cache_control }] }],
    };
    const first = await client.messages.create(cached);
    const second = await client.messages.create(cached);
    expect(first.usage.cache_creation_input_tokens).toBeGreaterThan(1_000);
    expect(second.usage.cache_read_input_tokens).toBe(first.usage.cache_creation_input_tokens);
  });

  it.each([
    [401, "authentication_error"],
    [413, "request_too_large"],
    [429, "rate_limit_error"],
    [500, "api_error"],
    [529, "overloaded_error"],
  ])("fails on order with %i as Anthropic does", async (status, type) => {
    const { client } = await claude();
    const failed = await client.messages.create(ask(`Hi [[sim:status=${status}]]`)).catch((thrown) => thrown);
    expect(failed).toBeInstanceOf(Anthropic.APIError);
    expect(failed).toMatchObject({ status, error: { type: "error", error: { type } } });
  });

  it("breaks a stream with an error on order", async () => {
    const { client } = await claude();
    const broken = client.messages.stream(ask(`${ISHMAEL} [[sim:stream_error]]`)).finalMessage();
    await expect(broken).rejects.toMatchObject({ error: { error: { type: "api_error" } } });
  });

  it("tells its quota by Anthropic's names, and refuses what Anthropic refuses", async () => {
    const { server, client } = await claude();
    await server.post("/_control", {
      limits: {
        profile: "anthropic",
        requests_per_minute: 6,
        tokens_per_minute: 9_000_000,
        window_seconds: 10,
      },
    });
    const { response } = await client.messages.create(ask("Hi")).withResponse();
    expect(response.headers.get("anthropic-ratelimit-requests-limit")).toBe("6");
    expect(Date.parse(response.headers.get("anthropic-ratelimit-requests-reset") ?? "")).toBeGreaterThan(0);
    expect(response.headers.get("request-id")).toMatch(/\w/);
    await expect(client.messages.create(ask("Hi"))).rejects.toMatchObject({ status: 429 });
    await server.post("/_control", { limits: { profile: "anthropic", unlimited: true } });
    const refused = [
      [{ n: 1 }, /n: Extra inputs/],
      [{ messages: [] }, /at least one message/],
      [{ messages: [{ role: "assistant", content: "x" }] }, /first message/],
      [
        {
          messages: [
            { role: "user", content: "x" },
            { role: "assistant", content: "y" },
          ],
        },
        /prefill/,
      ],
      [{ temperature: 1.5 }, /temperature/],
      [{ stop_sequences: [" "] }, /non-whitespace/],
    ] as const;
    for (const [more, words] of refused)
      await expect(client.messages.create({ ...ask("Hi"), ...(more as object) })).rejects.toThrow(words);
    const bare = await server.post("/anthropic/v1/messages", ask("Hi"));
    expect(bare.status).toBe(400);
    expect(await bare.text()).toContain("anthropic-version");
  });
});
