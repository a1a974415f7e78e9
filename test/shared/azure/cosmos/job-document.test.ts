import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { documentOf, jobOf } from "../../../../shared/azure/cosmos/job-document.ts";
import { Repeats, settleDeadLetter } from "../../../../shared/job/letters/dead-letter.ts";
import type { Waiting } from "../../../../shared/job/waiting.ts";
import { UnreadableItem } from "../../../../shared/store.ts";
import { NOW_MS } from "../../job/samples.ts";
import { GRACE_MS, silent, World } from "../../world.ts";

const world = await World.open();
afterAll(() => world.close());
const { nudges } = world;

/** Items as the commit before this one stored them, in the words of its own type. */
const queued = {
  ...{ v: 1, kind: "job", tenant_id: "team-a", job_id: `job_${"0".repeat(32)}`, status: "queued" },
  ...{ endpoint: "/v1/chat/completions", model: "gpt-sim", priority: "standard", metadata: { a: "b" } },
  ...{ envelope_sha256: "e".repeat(64), created_at_ms: NOW_MS, not_before_ms: null },
  ...{ deadline_ms: NOW_MS + 3_600_000, started_at_ms: null, completed_at_ms: null },
  ...{ wake_at_ms: NOW_MS + 10_000, nudges_resent: 2, retry_at_ms: null, attempts: 0, attempts_spent: 0 },
  ...{ lease: null, refused_by: [], tried: [], deployment: null, provider: null, simulated: false },
  ...{ usage: null, cost: null, last_failure: null, error: null, has_response: false },
  ...{ content_deleted: false, audit_seq: 1, audit_hash: "a".repeat(64), audit_until_ms: null },
};
const parked = { tokens: 12, deployments: ["gpt"], deadline_ms: queued.deadline_ms };
const place = `team-a/1/3b60e5b2f9d2b3b2/${NOW_MS}/${queued.job_id}`;
const lease = {
  ...{ claim_id: "c", renewals: 3, seconds: 20, deployment: "gpt", provider: "openai", simulated: true },
  ...{ started_at_ms: NOW_MS, request_sha256: "r".repeat(64) },
};
const inProgress = {
  ...{ ...queued, status: "in_progress", lease, nudges_resent: 0, attempts: 1, attempts_spent: 1 },
  ...{ started_at_ms: NOW_MS, deployment: "gpt", provider: "openai", simulated: true },
  budget_claims: { 1: "c" },
};
const { wake_at_ms: _, ...stopped } = inProgress;
const ended = { ...stopped, status: "cancelled", lease: null, completed_at_ms: NOW_MS + 1 };
const usage = { input_tokens: 10, output_tokens: 5, total_tokens: 15 };
const STORED: Readonly<Record<string, object>> = {
  queued,
  "back-off": { ...queued, retry_at_ms: NOW_MS + 5, attempts: 1, last_failure: "gpt: 503", tried: ["gpt"] },
  "waits for a switch": { ...queued, held: { cause: "switched_off", revision: 4 } },
  "waits for calls that run": {
    ...queued,
    held: { cause: "over_budget", revision: 0, budget: "team-a USD" },
  },
  "waits for the next day": {
    ...queued,
    held: { cause: "over_budget", revision: 0, budget: "team-a USD", until_ms: NOW_MS + 9 },
  },
  "in progress": inProgress,
  cancelled: ended,
  completed: {
    ...{ ...ended, status: "completed", usage, cost: { amount: "0.1", currency: "USD" } },
    ...{ has_response: true, redriven_from: "job_old", redriven_to: "job_new" },
  },
  failed: { ...ended, status: "failed", error: { code: "attempts_exhausted", message: "3 attempts failed" } },
};

/** As the store hands it out. */
const read = (document: object) =>
  jobOf({
    id: "job",
    ...JSON.parse(JSON.stringify(document)),
    ttl: 99,
    _rid: "r",
    _self: "s",
    _etag: "e",
    _attachments: "a",
    _ts: 1,
  });

describe("a job as it is stored", () => {
  it.each(Object.entries(STORED))("is written as it was read: %s", (_name, document) => {
    expect(documentOf(read(document))).toEqual(document);
  });

  it("in a line says why, and is found by what it was chosen from; older items say neither", () => {
    const older = read({ ...queued, parked_at_ms: NOW_MS, parked });
    expect(older).toMatchObject({ waiting: { for: "quota", since_ms: NOW_MS, deployments: ["gpt"] } });
    const written = documentOf(older);
    expect(written.parked).toEqual({ ...parked, place: expect.stringContaining(`/${NOW_MS}/job_0`) });
    expect(written.held).toBeUndefined();
    const why = { cause: "deployment_failing", revision: 7 } as const;
    const newer = read(
      documentOf({ ...older, waiting: { ...(older as { waiting: Waiting }).waiting, ...why } } as never),
    );
    expect(newer).toMatchObject({ waiting: why });
    expect(documentOf(newer)).toMatchObject({
      held: { cause: "quota", revision: 7 },
      parked: { cause: "deployment_failing" },
    });
  });

  it.each([
    ["of the item", { ...queued, next: { kept: true } }],
    ["of its version", { ...queued, v: 2 }],
    ["of a lease", { ...inProgress, lease: { ...lease, next: 1 } }],
    ["of a wait for a switch", { ...queued, held: { cause: "switched_off", revision: 1, next: 1 } }],
    ["of a wait for money", { ...queued, held: { cause: "over_budget", revision: 1, budget: "b", next: 1 } }],
    ["of a wait for quota", { ...queued, parked_at_ms: NOW_MS, parked: { ...parked, place, next: 1 } }],
    ["of an end", { ...ended, next: [1] }],
  ])("keeps what a neighbour knows, and this version does not: %s", (_name, document) => {
    const { parked: kept, ...written } = documentOf(read(document));
    const { parked: before, ...rest } = document as typeof document & { parked?: object };
    expect(written).toEqual(rest);
    expect({ ...kept, place }).toEqual({ ...before, place });
  });

  const broken: readonly (readonly [string, object])[] = [
    ["status", { ...queued, status: "paused" }],
    ["v", { ...queued, v: 3 }],
    ["kind", { ...queued, kind: "batch" }],
    ["priority", { ...queued, priority: "urgent" }],
    ["endpoint", { ...queued, endpoint: "/v1/videos" }],
    ["held", { ...queued, held: { cause: "somebody", revision: 1 } }],
    ["parked", { ...queued, parked_at_ms: 1, parked: { tokens: "12", deployments: [] } }],
    ["lease", { ...inProgress, lease: null }],
    ["completed_at_ms", { ...ended, completed_at_ms: null }],
    ["error", { ...ended, error: "late" }],
    ...Object.keys(queued)
      .filter((name) => !["completed_at_ms", "lease", "usage", "error", "has_response"].includes(name))
      .filter((name) => !["content_deleted", "audit_until_ms"].includes(name))
      .map((name) => [name, { ...queued, [name]: undefined }] as const),
  ];
  it.each(broken)("is not read with a broken `%s`", (name, document) => {
    expect(() => read(document)).toThrow(UnreadableItem);
    expect(() => read(document)).toThrow(name === "v" ? "version" : name);
  });
});

describe("a job that cannot be read", () => {
  beforeEach(() => {
    nudges.sent.length = 0;
  });

  /** Changed by a host of a version that is no neighbour. */
  async function changed() {
    const key = await world.accepted();
    const item = world.jobs.item("job", [key.tenant_id, key.job_id]);
    const { resource } = await item.read();
    await item.replace({ ...resource, status: "paused" });
    return { key, restore: () => item.replace(resource) };
  }

  it("is looked at again later by the worker, for a newer host may know it", async () => {
    const { key } = await changed();
    await world.instance().run(key);
    expect(nudges.sent).toEqual([{ nudge: { ...key, looks: 1 }, atMs: world.clock.now() + 1_000 }]);
  });

  it("keeps no sweep from the others, however many there are, and is nudged once it can be read", async () => {
    const unreadable = await Promise.all(Array.from({ length: 12 }, changed));
    const readable = await world.accepted();
    const worker = world.instance();
    world.clock.advance(GRACE_MS);
    await worker.sweep();
    expect(nudges.of(readable)).toHaveLength(1);
    for (const { key, restore } of unreadable) {
      expect(nudges.of(key)).toEqual([]);
      await restore();
    }
    await worker.sweep();
    for (const { key } of unreadable) expect(nudges.of(key)).toHaveLength(1);
  });

  it("is left out of a list, and settles no dead letter", async () => {
    const { key } = await changed();
    const readable = await world.accepted();
    const { jobs } = await world.ports.store.list("team-a", { limit: 100 });
    const ids = jobs.map(({ job_id }) => job_id);
    expect([ids.includes(key.job_id), ids.includes(readable.job_id)]).toEqual([false, true]);
    const letter = { id: "dl_1", message_id: "m", nudge: key, reason: "r", description: "", at_ms: 1 };
    await settleDeadLetter({ ...world.instance().service, log: silent, repeats: new Repeats() }, letter);
    expect(nudges.sent).toEqual([]);
    expect(await world.ports.deadLetters.read("dl_1")).toEqual(letter);
  });
});
