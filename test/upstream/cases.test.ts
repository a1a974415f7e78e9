import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyChain } from "../../shared/audit/chain.ts";
import { Stack } from "../end-to-end/stack.ts";
import { type Step, Upstream } from "./upstream.ts";

/**
 * What labs, relays and gateways were publicly reported to answer, played to the whole service: cases.json has what is
 * asked and what each target answers, EXPECTED what must come of it.
 */
interface Case {
  readonly id: string;
  readonly did: string;
  readonly request: {
    readonly endpoint: string;
    readonly body: object;
    readonly deadline_s?: number;
    readonly timeout_seconds?: number;
    /** So many of it at once; absent: one. */
    readonly jobs?: number;
    readonly model_names?: readonly string[];
  };
  readonly upstream: Readonly<Record<string, readonly Step[]>> | null;
}

const cases: readonly Case[] = JSON.parse(readFileSync(path.join(import.meta.dirname, "cases.json"), "utf8"));

/** What one case needs of its deployments besides the plain price of 1 and 10 USD for a million tokens. */
const CATALOGUE: Readonly<Record<string, object>> = {
  "l07-hang": { timeout_seconds: 2 },
  "u01-cached-openai": { price: { cached_input_per_million: 0.1 } },
  "u02-cached-deepseek": { price: { cached_input_per_million: 0.1 } },
  "u19-flex-tier": {
    price: { service_tiers: { flex: { input_per_million: 0.5, output_per_million: 5 } } },
  },
};

interface Seen {
  // biome-ignore lint/suspicious/noExplicitAny: what a service answers is for the test to say
  readonly job: any;
  // biome-ignore lint/suspicious/noExplicitAny: the same
  readonly trail: any[];
  readonly calls: Readonly<Record<string, number>>;
}

const failed =
  (code: string, words: string) =>
  ({ job }: Seen) => {
    expect(job).toMatchObject({ status: "failed", error: { code, message: expect.stringContaining(words) } });
  };
const answeredByB = ({ job, calls }: Seen) => {
  expect(job).toMatchObject({ status: "completed", deployment: expect.stringMatching(/-b$/) });
  expect(calls.a).toBe(1);
};
const answeredAgain = ({ job, calls }: Seen) => {
  expect(job).toMatchObject({ status: "completed", attempts: 2 });
  expect(job.response.body.choices[0].message.content).toBe("Paris.");
  expect(calls.a).toBe(2);
};
const costs =
  (amount: string, usage: object) =>
  ({ job }: Seen) => {
    expect(job).toMatchObject({ status: "completed", cost: { amount }, cost_unknown: null, usage });
  };
const costUnknown =
  (why: string, usage: object) =>
  ({ job, trail }: Seen) => {
    expect(job).toMatchObject({ status: "completed", cost: null, cost_unknown: why, usage });
    expect(trail.at(-1)).toMatchObject({ cost: null, cost_unknown: why });
  };

const EXPECTED: Readonly<Record<string, (seen: Seen) => void>> = {
  "e02-invalid-prompt": failed("content_filtered", "flagged"),
  "e03-xai-403-content": contentStopsHere,
  "e06-vllm-flat": failed("upstream_bad_request", "at least 1"),
  "e07-llamacpp-too-long": failed("context_length_exceeded", "available context size"),
  "e09-xai-400-key": answeredByB,
  "e10-fastapi-detail": failed("upstream_bad_request", "valid string"),
  "e13-anthropic-too-long": failed("context_length_exceeded", "prompt is too long"),
  "e14-insufficient-quota": waitsAsAsked("account_empty", "check your plan and billing"),
  "e21-reset-duration": waitsAsAsked("rate_limited", "slow"),
  "e24-499": answeredByB,
  "e26-402": answeredByB,
  "e28-400-transient": answeredAgain,
  "e29-404-deployment": isOutlived,
  "e30-401-expired": isOutlived,
  "e32-503-loading": isOutlived,
  "l19-key-changed-20-jobs": isOutlived,
  "l20-balance-20-jobs": isOutlived,
  "l07-hang": (seen) => {
    answeredByB(seen);
    expect(seen.trail[2]).toMatchObject({ reason: "call_timeout", cost_unknown: "no_answer" });
  },
  "s01-200-error-429": (seen) => {
    answeredByB(seen);
    expect(seen.trail[2]).toMatchObject({ outcome: "rate_limited", reason: "rate_limited" });
  },
  "s02-200-error-single": answeredAgain,
  "s04-200-choices-empty": answeredByB,
  "s06-finish-error": (seen) => {
    answeredByB(seen);
    // What broke off was paid for.
    expect(seen.trail[2]).toMatchObject({
      cost: { amount: "0.00006" },
      message: expect.stringContaining("upstream died"),
    });
    expect(seen.job.cost.amount).toBe("0.00012");
  },
  "s07-empty-zero": answeredByB,
  "s11-responses-incomplete": ({ job }) => {
    expect(job).toMatchObject({ status: "completed", incomplete: "max_output_tokens" });
  },
  "s13-responses-queued": isFetched,
  "s15-xai-deferred": isFetched,
  "s16-sse-unasked": unreadable("streams its answer"),
  // What is no UTF-8 cannot be kept byte for byte as JSON.
  "s21-hash-of-the-bytes": ({ job, trail }) => {
    expect(job.response).toBeNull();
    expect(trail[2]).toMatchObject({ event: "attempt_failed", reason: "invalid_response" });
    const [{ base64 = "" } = {}] = cases.find(({ id }) => id === "s21-hash-of-the-bytes")?.upstream?.a ?? [];
    const sha256 = createHash("sha256").update(Buffer.from(base64, "base64")).digest("hex");
    expect(trail[2].response_sha256).toBe(sha256);
  },
  "s22-nan-logprob": (seen) => {
    unreadable("NaN")(seen);
    expect(seen.job.cost.amount).toBe("0.00006");
  },
  "s27-307": failed("no_deployment_available", "a redirect to /elsewhere/"),
  "s31-embeddings-18mb": ({ job }) => {
    expect(job).toMatchObject({ status: "completed", cost: { currency: "USD" } });
  },
  "x01-error-beside-text": answeredByB,
  "x02-network-error": answeredByB,
  "x03-500-content": contentStopsHere,
  "x04-403-flagged": contentStopsHere,
  "x05-400-server-error": answeredAgain,
  "x06-200-list-429": (seen) => {
    answeredByB(seen);
    expect(seen.trail[2]).toMatchObject({ outcome: "rate_limited", reason: "rate_limited" });
  },
  "x07-gzip-refusal": failed("upstream_bad_request", "body.n: n must be positive"),
  "x08-usage-text": costs("0.000062", { input_tokens: 12, output_tokens: 5 }),
  "x09-job-timeout": (seen) => {
    answeredByB(seen);
    expect(seen.trail[2]).toMatchObject({ reason: "job_timeout", cost_unknown: "no_answer" });
  },
  "x10-ratelimit-draft": waitsAsAsked("rate_limited", "slow"),
  "x11-401-for-20-s": isOutlived,
  "x12-resets-for-20-s": isOutlived,
  "u01-cached-openai": costs("0.003278", { cached_input_tokens: 1920, raw: { prompt_tokens: 2006 } }),
  "u02-cached-deepseek": costs("0.02866", { input_tokens: 36100, cached_input_tokens: 21600 }),
  "u05-gemini-thoughts-in-total-only": costs("0.00605", { output_tokens: 603 }),
  "u08-fractional-tokens": costs("0.000382", { input_tokens: 12, output_tokens: 37 }),
  "u12-usage-zeros": costUnknown("usage_incomplete", { input_tokens: null, output_tokens: null }),
  "u16-anthropic-shape": costs("0.192037", { input_tokens: 188107, cache_write_tokens: 188086 }),
  "u17-audio-tokens": costUnknown("price_missing: audio input", {
    audio_input_tokens: 100,
    audio_output_tokens: 250,
  }),
  "u19-flex-tier": costs("0.0055", { service_tier: "flex" }),
  "u20-lab-tells-cost": ({ job, trail }) => {
    expect(job.usage.raw.cost_in_usd_ticks).toBe(235021000);
    expect(trail.at(-1)).toMatchObject({
      cost: { amount: "0.0013" },
      lab_cost: { amount: "0.0235021", currency: "USD" },
    });
  },
};

/** The outage costs time: of its attempts only the last one counts. */
function isOutlived({ job, trail }: Seen) {
  expect(job.status).toBe("completed");
  const failures = trail.filter(({ event }) => event === "attempt_failed");
  for (const record of failures) expect(record).toMatchObject({ cost: null });
}

/** No other lab gets to see what this one would not touch. */
function contentStopsHere(seen: Seen) {
  failed("content_filtered", "")(seen);
  expect(seen.job.error.message).toMatch(/flagged|violates usage guidelines/);
  expect(seen.calls.b).toBe(0);
}

/** One paid call, not one for each attempt. */
function unreadable(words: string) {
  return (seen: Seen) => {
    failed("no_deployment_available", words)(seen);
    expect(seen.calls.a).toBe(1);
  };
}

/** The job and its trail say why; that it is left alone meanwhile is looked at when all the other cases are through. */
function waitsAsAsked(reason: string, words: string) {
  return ({ job, trail }: Seen) => {
    expect(job.status).toBe("queued");
    expect(trail[2]).toMatchObject({
      event: "attempt_failed",
      reason,
      message: expect.stringContaining(words),
    });
  };
}

/** A ticket is no answer: it is asked for again where the lab says, as long as there is none. */
function isFetched({ job, calls }: Seen) {
  expect(job.status).toBe("in_progress");
  expect(calls.a).toBeGreaterThan(1);
}
const asksAgain = ({ job, calls }: Seen) => job.status === "in_progress" && (calls.a ?? 0) > 1;
/** The job is read before its trail, which may be newer. */
function waitsAgain(records: number): (seen: Seen) => boolean {
  return ({ job, trail }) => job.status === "queued" && trail.length > records;
}

/** Such cases never end; they are looked at when this holds. */
const LOOKED_AT: Readonly<Record<string, (seen: Seen) => boolean>> = {
  "e14-insufficient-quota": waitsAgain(2),
  "e21-reset-duration": waitsAgain(3),
  "x10-ratelimit-draft": waitsAgain(3),
  "s13-responses-queued": asksAgain,
  "s15-xai-deferred": asksAgain,
};

const folder = mkdtempSync(path.join(tmpdir(), "switchyard-upstream-"));
const models = path.join(folder, "models.json");
const upstream = new Upstream();
// Some cases leave a call under way: the host need not wait for it.
const stack = new Stack({ MODELS_FILE: models, DRAIN_SECONDS: "1" });
/** The jobs of all cases together; some go on after what they show was seen. */
const jobIds: string[] = [];

beforeAll(async () => {
  await upstream.start();
  const deployments = cases.flatMap((each) => deploymentsOf(each));
  const routes = cases
    .filter((each) => each.upstream !== null)
    .map(({ id, upstream: targets }) => ({
      ...{ model: id, strategy: "ordered" },
      targets: Object.keys(targets ?? {}).map((name) => ({ deployment: `${id}-${name}` })),
    }));
  writeFileSync(models, JSON.stringify({ deployments, routes }));
  await stack.start();
});
afterAll(async () => {
  await stack.remove();
  await upstream.stop();
  rmSync(folder, { recursive: true });
});

function deploymentsOf({ id, request, upstream: targets }: Case): object[] {
  const { price = {}, ...more } = (CATALOGUE[id] ?? {}) as { price?: object };
  const names = request.model_names ?? Object.keys(targets ?? {}).map((name) => `${id}-${name}`);
  return names.map((name, index) => {
    const deployment = request.model_names === undefined ? name : `${id}-${index}`;
    upstream.set(deployment, targets?.[name.slice(-1)] ?? []);
    return {
      ...{
        name: deployment,
        provider: `lab-${name.slice(-1)}`,
        model: request.model_names === undefined ? `m-${name}` : name,
      },
      ...{ base_url: upstream.baseUrl(deployment), auth: { kind: "none" }, endpoints: [request.endpoint] },
      capabilities: ["audio"],
      price: { currency: "USD", input_per_million: 1, output_per_million: 10, ...price },
      simulated: true,
      ...more,
    };
  });
}

async function seen({ id, upstream: targets }: Case, jobId: string): Promise<Seen> {
  // The job first: its trail is then at least as new.
  const { json: job } = await stack.call(`/api/jobs/${jobId}`);
  const { json: trail } = await stack.call(`/api/jobs/${jobId}/audit`);
  const calls = Object.keys(targets ?? {}).map((name) => [name, upstream.calls.get(`${id}-${name}`) ?? 0]);
  return { job, trail: trail.data, calls: Object.fromEntries(calls) };
}

const hasEnded = ({ job }: Seen) => !["queued", "in_progress"].includes(job.status);

async function played(each: Case): Promise<Seen[]> {
  return Promise.all(Array.from({ length: each.request.jobs ?? 1 }, () => playedOnce(each)));
}

/** Looks, each time after the service has held the request for a second, until there is something to see. */
async function playedOnce(each: Case): Promise<Seen> {
  const { endpoint, body, deadline_s, timeout_seconds } = each.request;
  const input = endpoint === "/v1/chat/completions" ? { messages: [{ role: "user", content: "Hi" }] } : {};
  const deadline = deadline_s === undefined ? {} : { deadline: Math.ceil(Date.now() / 1000) + deadline_s };
  const { json, status } = await stack.submit(
    { ...input, ...body, model: each.id },
    { envelope: { endpoint, timeout_seconds, ...deadline } },
  );
  expect(status).toBe(202);
  const isTime = LOOKED_AT[each.id] ?? hasEnded;
  for (let looks = 0; looks < 60; looks++) {
    await stack.call(`/api/jobs/${json.id}`, { headers: { prefer: "wait=1" } });
    const now = await seen(each, json.id);
    if (isTime(now) || hasEnded(now)) return now;
  }
  throw new Error(`${each.id} came to nothing:\n${stack.output.slice(-2000)}`);
}

async function playedAsExpected(each: Case): Promise<void> {
  const check = EXPECTED[each.id];
  if (check === undefined) throw new Error(`nothing is expected of ${each.id}`);
  for (const found of await played(each)) {
    expect(verifyChain(found.trail)).toMatchObject({ intact: true });
    jobIds.push(found.job.id);
    check(found);
  }
}

const isOutage = ({ id }: Case) => EXPECTED[id] === isOutlived;

describe("what labs were seen to answer", () => {
  // Most of their time is waiting.
  it.concurrent.each(cases.filter((each) => each.upstream !== null && !isOutage(each)))(
    "$id: $did",
    playedAsExpected,
  );

  it("r16-model-at: the catalogue takes the names that labs use", async () => {
    const { json } = await stack.call("/api/models");
    const names = json.data.map(({ id }: { id: string }) => id);
    expect(names).toEqual(
      expect.arrayContaining(["@cf/meta/llama-3.1-8b-instruct", "claude-sonnet-4@20250514"]),
    );
  });

  it("those that were asked to wait have waited", () => {
    expect(upstream.calls.get("e14-insufficient-quota-a")).toBe(1);
    expect(upstream.calls.get("e21-reset-duration-a")).toBe(1);
    expect(upstream.calls.get("x10-ratelimit-draft-a")).toBe(1);
  });

  // They last longer than what is asked to wait above.
  it.concurrent.each(cases.filter(isOutage))("$id outlives it: $did", { tags: ["long"] }, playedAsExpected);

  it("a call of unknown cost is counted as such", async () => {
    const unknown = async () => {
      const trails = await Promise.all(jobIds.map((id) => stack.call(`/api/jobs/${id}/audit`)));
      const records = trails.flatMap(({ json }) => json.data);
      return records.filter(({ cost_unknown }) => cost_unknown !== undefined).length;
    };
    const uncounted = async () => {
      const before = await unknown();
      const { json } = await stack.call("/api/usage");
      return { before, difference: json.total.unknown_cost_calls - before };
    };
    await expect.poll(uncounted).toMatchObject({ difference: 0 });
    expect((await uncounted()).before).toBeGreaterThan(5);
    const { json } = await stack.call("/api/usage");
    expect(json.total.usage.cached_input_tokens).toBe(1920 + 21600);
  });
});
