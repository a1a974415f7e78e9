import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseCatalogue } from "../../../shared/model/catalogue.ts";
import { createModelClient } from "../../../shared/model/client.ts";
import { Labs } from "../labs.ts";
import { TestClock } from "../world.ts";

/** Streams that fall silent: a deployment's idle_timeout_seconds, by a clock that is turned by hand. */
const labs = new Labs();
const clock = new TestClock();
const client = createModelClient({
  ...{ settings: {}, clock, jobName: async () => "name" },
  credential: () => {
    throw new Error("none is wanted");
  },
});
beforeAll(() => labs.start());
afterAll(async () => {
  await client.close();
  await labs.stop();
});

const IDLE_SECONDS = 20;
const chunk = (content: string) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { role: "assistant", content } }] })}\n\n`;

/** A call whose lab sends what the test says, when it says so. */
async function begun(isStreamed = true) {
  const catalogue = labs.catalogue({ name: "slow", idle_timeout_seconds: IDLE_SECONDS });
  const deployment = catalogue.deployment("slow");
  if (deployment === undefined) throw new Error("no deployment");
  let lab: ServerResponse | undefined;
  labs.reply("slow", ({ response }) => {
    lab = response;
  });
  const shown: string[] = [];
  let tell: () => void = () => undefined;
  const came = labs.nextCall();
  const outcome = client.call({
    ...{ deployment, endpoint: "/v1/chat/completions", body: "{}", tenantId: "t", jobId: "j", attempt: 1 },
    signal: new AbortController().signal,
    passOn: isStreamed
      ? ({ data }) => {
          shown.push(data);
          tell();
        }
      : undefined,
  });
  await came;
  return {
    outcome,
    shown,
    /** Resolves once the client has it. */
    say: (text: string) =>
      new Promise<void>((resolve) => {
        tell = resolve;
        if (lab?.headersSent === false) lab.writeHead(200, { "content-type": "text/event-stream" });
        lab?.write(text);
      }),
    answer: (headers: Record<string, string>, body: string | Buffer) =>
      lab?.writeHead(200, headers).end(body),
    end: () => lab?.end(),
  };
}
const NEARLY_MS = IDLE_SECONDS * 1000 - 1;

it("a stream is given up when nothing came for so long, and not before", async () => {
  const { outcome, shown, say } = await begun();
  for (const word of ["The ", "quick ", "brown "]) {
    clock.advance(NEARLY_MS);
    await say(chunk(word));
  }
  clock.advance(NEARLY_MS);
  expect(shown).toHaveLength(3);
  clock.advance(1);
  expect(await outcome).toMatchObject({ kind: "broken_off", message: "idle_timeout" });
});

it("one that has said nothing yet is another attempt's", async () => {
  const { outcome } = await begun();
  clock.advance(IDLE_SECONDS * 1000);
  expect(await outcome).toMatchObject({ kind: "retry", reason: "call_timeout", billed: "maybe" });
});

it("an answer that comes whole may take longer", async () => {
  const { outcome, end } = await begun(false);
  clock.advance(IDLE_SECONDS * 10_000);
  end();
  expect(await outcome).not.toMatchObject({ reason: "call_timeout" });
});

const DONE = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';

it.each<[string, Record<string, string>, (text: string) => string | Buffer]>([
  ["in capitals", { "content-type": "Text/Event-Stream; charset=UTF-8" }, (text) => text],
  ["as a plain text", { "content-type": "text/plain" }, (text) => text],
  ["as JSON", { "content-type": "application/json" }, (text) => text],
  ["without a type, after a comment", {}, (text) => `: PROCESSING\n\n${text}`],
  ["compressed", { "content-type": "text/event-stream", "content-encoding": "gzip" }, gzipSync],
  [
    "compressed, as it says",
    { "content-type": "text/event-stream", "content-encoding": "gzip" },
    (text) => text,
  ],
])("a stream that comes %s is shown and kept", async (_how, headers, encoded) => {
  const { outcome, shown, answer } = await begun();
  answer(headers, encoded(chunk("Paris.") + DONE));
  expect(await outcome).toMatchObject({ kind: "completed", body: expect.stringContaining("Paris.") });
  expect(shown.join("")).toContain("Paris.");
});

it("is at most as long as a call may be", () => {
  const entry = (idle_timeout_seconds: number) => ({
    ...{ name: "d", provider: "p", model: "m", base_url: "http://127.0.0.1:1/v1", auth: { kind: "none" } },
    ...{ endpoints: ["/v1/chat/completions"], simulated: true, idle_timeout_seconds },
    price: { currency: "USD", input_per_million: 1, output_per_million: 1 },
  });
  const faults = (seconds: number) => {
    const parsed = parseCatalogue({ deployments: [entry(seconds)] }, { settings: {} });
    return "faults" in parsed ? parsed.faults : [];
  };
  expect(faults(30)).toEqual([]);
  for (const seconds of [0, -1, 1_801]) expect(faults(seconds).join()).toContain("idle_timeout_seconds");
});
