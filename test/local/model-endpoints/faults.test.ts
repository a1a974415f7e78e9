import { get as httpGet, request } from "node:http";
import { expect, it } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
import { PROFILES, withLimits } from "../../../local/model-endpoints/profiles.ts";
import { ask, CHAT, endpoints } from "./endpoints.ts";

interface CallList {
  readonly data: {
    seq: number;
    status: number | null;
    fault: string | null;
    job: string | null;
    attempt: string | null;
  }[];
  readonly last_seq: number;
  readonly has_more: boolean;
}

it("429s a job as often as its prompt says, then answers it", async () => {
  const { post } = await endpoints();
  const send = (job: string) =>
    post(CHAT, ask("Hello [[sim:status=429,times=2,retry_after_ms=1500]]"), { "x-switchyard-job": job });
  const first = await send("job_1");
  expect(first.status).toBe(429);
  expect(first.headers.get("retry-after-ms")).toBe("1500");
  expect(first.headers.get("retry-after")).toBe("2");
  expect(await first.json()).toMatchObject({ error: { code: "rate_limit_exceeded" } });
  expect((await send("job_1")).status).toBe(429);
  const third = await send("job_1");
  expect(third.status).toBe(200);
  // The directive is for the simulation: the answer is not about it.
  expect(await third.text()).not.toContain("sim:");
  expect((await send("job_2")).status).toBe(429);
});

it("strikes one lab alone, so that a job goes on to the next", async () => {
  const { post } = await endpoints();
  const content = "Hello [[sim:status=503,profile=openai]]";
  expect((await post(CHAT, ask(content))).status).toBe(503);
  expect((await post("/xai/v1/chat/completions", ask(content, "grok-sim"))).status).toBe(200);
});

it.each([
  ["status=401", 401],
  ["status=404", 404],
  ["status=500", 500],
  ["status=529", 529],
])("answers [[sim:%s]] with that status and an error in JSON", async (directive, status) => {
  const { post } = await endpoints();
  const response = await post(CHAT, ask(`x [[sim:${directive}]]`));
  expect(response.status).toBe(status);
  expect(await response.json()).toMatchObject({ error: { message: expect.any(String) } });
});

it("resets and halves connections", async () => {
  const { post } = await endpoints();
  await expect(post(CHAT, ask("x [[sim:reset]]"))).rejects.toThrow("fetch failed");
  const half = await post(CHAT, ask("x [[sim:half]]"));
  expect(half.status).toBe(200);
  await expect(half.text()).rejects.toThrow();
});

it("answers with HTML, nothing, broken JSON", async () => {
  const { post } = await endpoints();
  const html = await post(CHAT, ask("x [[sim:html,status=502]]"));
  expect([html.status, html.headers.get("content-type")]).toEqual([502, "text/html"]);
  const empty = await post(CHAT, ask("x [[sim:empty]]"));
  expect([empty.status, await empty.text()]).toEqual([200, ""]);
  const broken = await post(CHAT, ask("x [[sim:broken_json]]"));
  expect(broken.status).toBe(200);
  await expect(broken.json()).rejects.toThrow(SyntaxError);
});

it("streams a huge answer, and stops when its reader goes away", async () => {
  const { post, base } = await endpoints();
  const bytes = 300_000;
  const whole = (await (await post(CHAT, ask(`x [[sim:huge,bytes=${bytes}]]`))).json()) as {
    choices: { message: { content: string } }[];
  };
  expect(whole.choices[0]?.message.content.length).toBe(bytes);
  const body = JSON.stringify(ask("x [[sim:huge]]"));
  await new Promise<void>((resolve, reject) => {
    const req = request(base + CHAT, { method: "POST" }, (res) => {
      res.once("data", () => res.destroy());
      res.once("close", resolve);
    });
    req.on("error", reject);
    req.end(body);
  });
});

it("waits as long as a model would, and counts the call as it comes", async () => {
  const clock = new ManualClock();
  const { post, get, counters } = await endpoints({ clock, latencyScale: 1 });
  const answer = post(CHAT, ask("Hello"));
  const calls = async () => ((await get("/_control/calls")) as CallList).data;
  while ((await calls()).length === 0);
  expect((await calls())[0]?.status).toBeNull();
  expect(counters()).toMatchObject({ calls: 1, by_profile: { openai: { none: 1 } } });
  clock.advance(60_000);
  expect((await answer).status).toBe(200);
  expect((await calls())[0]?.status).toBe(200);
});

it("hangs until the caller gives up, and counts that", async () => {
  const { base, get } = await endpoints();
  const gone = new AbortController();
  const hanging = fetch(base + CHAT, {
    method: "POST",
    body: JSON.stringify(ask("x [[sim:hang]]")),
    signal: gone.signal,
  });
  const calls = async () => ((await get("/_control/calls")) as CallList).data;
  while ((await calls()).length === 0);
  gone.abort();
  await expect(hanging).rejects.toThrow();
  while ((await calls())[0]?.status === null);
  expect((await calls())[0]).toMatchObject({ status: 499, fault: "hang" });
});

it("takes fault rules over POST /_control, by count and by chance", async () => {
  const { base, post, get } = await endpoints();
  const set = async (rules: object) => (await post("/_control", rules)).json();
  await set([
    { profile: "openai", status: 500, after: 1, times: 2 },
    { profile: "xai", fault: "reset", probability: 0 },
  ]);
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) statuses.push((await post(CHAT, ask("x"))).status);
  expect(statuses).toEqual([200, 500, 500, 200]);
  expect(await get("/_control")).toMatchObject({
    rules: [
      { profile: "openai", fault: "status", hits: 4, struck: 2 },
      { profile: "xai", hits: 0 },
    ],
    counters: { calls: 4, by_profile: { openai: { 200: 2, 500: 2 } } },
  });
  expect(await set({ reset: true, profile: "xai" })).toMatchObject({ rules: [{ profile: "openai" }] });
  expect(await set({ reset: true })).toEqual({ rules: [] });

  await set({ status: 503, probability: 0.5 });
  const some: number[] = [];
  for (let i = 0; i < 40; i++) some.push((await post(CHAT, ask("x"))).status);
  expect(new Set(some)).toEqual(new Set([200, 503]));

  expect((await post("/_control", { status: 5 })).status).toBe(400);
  expect((await post("/_control", "{")).status).toBe(400);
  expect((await post("/_control", {}, { origin: "http://evil.example" })).status).toBe(403);
  expect((await fetch(`${base}/_control/nothing`)).status).toBe(404);
});

it("lists calls in pages, by job and by lab", async () => {
  const { post, get } = await endpoints();
  for (const [index, job] of ["a", "b", "a"].entries()) {
    await post(CHAT, ask("x"), { "x-switchyard-job": job, "x-switchyard-attempt": String(index) });
  }
  const page = (await get("/_control/calls?limit=2")) as CallList;
  expect(page).toMatchObject({ last_seq: 2, has_more: true, data: [{ seq: 1 }, { seq: 2 }] });
  expect(await get(`/_control/calls?since=${page.last_seq}`)).toMatchObject({
    has_more: false,
    data: [{ seq: 3 }],
  });
  const ofA = (await get("/_control/calls?job=a")) as CallList;
  expect(ofA.data.map(({ job, attempt }) => [job, attempt])).toEqual([
    ["a", "0"],
    ["a", "2"],
  ]);
  expect(((await get("/_control/calls?profile=xai")) as CallList).data).toEqual([]);
});

it("keeps a deployment's rate limit, failures counted", async () => {
  const clock = new ManualClock();
  const limits = { requestsPerMinute: 120, tokensPerMinute: 10_000, windowSeconds: 1 };
  const { post } = await endpoints({ clock, profiles: withLimits(PROFILES, limits) });
  expect((await post(CHAT, ask("x"))).status).toBe(200);
  expect((await post(CHAT, { ...ask("x"), n: 0 })).status).toBe(400);
  const refused = await post(CHAT, ask("x"));
  expect(refused.status).toBe(429);
  expect(refused.headers.get("retry-after-ms")).toBe("1000");
  expect(refused.headers.get("x-ratelimit-remaining-requests")).toBe("0");
  expect(await refused.json()).toMatchObject({ error: { type: "requests", code: "rate_limit_exceeded" } });
  // Another deployment has its own.
  expect((await post("/xai/v1/chat/completions", ask("x", "grok-sim"))).status).toBe(200);
  clock.advance(1_000);
  const large = await post(CHAT, { ...ask("x"), max_tokens: 9_000 });
  expect(large.status).toBe(429);
  expect(await large.json()).toMatchObject({ error: { type: "tokens" } });
  expect((await post(CHAT, { ...ask("x"), max_tokens: 100 })).status).toBe(200);
});

it("takes other limits over its control", async () => {
  const { post } = await endpoints({ clock: new ManualClock() });
  const limits = { profile: "openai", requests_per_minute: 60, tokens_per_minute: 6_000, window_seconds: 1 };
  expect((await post("/_control", { limits: { ...limits, shape: "round" } })).status).toBe(400);
  expect((await post("/_control", { limits: [{ ...limits, shape: "bucket" }] })).status).toBe(200);
  const first = await post(CHAT, ask("x"));
  expect(first.status).toBe(200);
  expect(first.headers.get("x-ratelimit-limit-tokens")).toBe("6000");
  expect((await post(CHAT, ask("x"))).status).toBe(429);
  expect((await post("/xai/v1/chat/completions", ask("x", "grok-sim"))).status).toBe(200);
  expect((await post("/_control", { limits: { unlimited: true } })).status).toBe(200);
  expect((await post(CHAT, ask("x"))).status).toBe(200);
});

it("listens on loopback alone", async () => {
  const { base } = await endpoints();
  const address = await new Promise((resolve) => {
    httpGet(`${base}/_control`, (res) => {
      res.resume();
      resolve(res.socket.remoteAddress);
    });
  });
  expect(address).toBe("127.0.0.1");
});
