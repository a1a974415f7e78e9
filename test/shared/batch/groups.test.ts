import { afterAll, afterEach, describe, expect, it } from "vitest";
import { BatchWorld, type Result } from "./batch-world.ts";

/** Jobs that are submitted one by one and belong together, and what can be asked of the lines of a batch. */
const batches = await BatchWorld.open();
const { world, client } = batches;
const { clock } = world;
afterAll(() => world.close());
afterEach(() => {
  batches.holdsLine = false;
  expect(batches.failures.splice(0)).toEqual([]);
});

const submit = async (fields: object = {}, says = "Hi", tenant?: string) => {
  const body = { model: "openai-one-model", messages: [{ role: "user", content: says }] };
  const { status, json } = await batches.native("jobs", { body, ...fields }, tenant);
  expect([status, json]).toMatchObject([202, { object: "job" }]);
  return json;
};
/** Every page of a list, one job a page. */
const listed = async (query: string, limit = 1): Promise<string[]> => {
  const ids: string[] = [];
  for (let after = ""; ; ) {
    const { status, json } = await batches.native(`jobs?${query}&limit=${limit}${after}`);
    expect([status, json]).toMatchObject([200, { object: "list" }]);
    ids.push(...json.data.map(({ id }: { id: string }) => id));
    if (!json.has_more) return ids;
    after = `&after=${json.last_id}`;
  }
};
const runAll = () =>
  world.turnUntil(async () => {
    batches.deliver();
    return (
      (await listed("status=queued", 100)).length + (await listed("status=in_progress", 100)).length === 0
    );
  });

describe("a list of jobs", () => {
  it("finds a group, a time and pairs of metadata, whatever the size of its pages", async () => {
    const start = Math.floor(clock.now() / 1000);
    const made: string[] = [];
    const add = async (...args: Parameters<typeof submit>) => made.push((await submit(...args)).id);
    const metadata = { color: "red", 'odd "key\\': "it's" };
    await add({ batch_id: "night", metadata });
    await add({ batch_id: "night", metadata: { color: "blue" } });
    clock.advance(10_000);
    await add({ batch_id: "night", metadata: { color: "red" } });
    await add({ batch_id: "day", metadata: { color: "red" } });
    await submit({ batch_id: "night", metadata }, "Hi", "team-b");
    const [first, second, third, fourth] = made;
    const sorted = (ids: (string | undefined)[]) => [...ids].sort();
    for (const limit of [1, 2, 100]) {
      const found = async (query: string) => sorted(await listed(query, limit));
      expect(await found("batch_id=night")).toEqual(sorted([first, second, third]));
      expect(await found("batch_id=night&metadata.color=red")).toEqual(sorted([first, third]));
      expect(await found("metadata.color=red")).toEqual(sorted([first, third, fourth]));
      const odd = encodeURIComponent('metadata.odd "key\\');
      expect(await found(`${odd}=it's&metadata.color=red`)).toEqual([first]);
      expect(await found(`${odd}=its`)).toEqual([]);
      expect(await found(`created_after=${start + 10}`)).toEqual(sorted([third, fourth]));
      expect(await found(`created_before=${start + 10}&created_after=${start}`)).toEqual(
        sorted([first, second]),
      );
      expect(await found("batch_id=night&status=queued&model=openai-one-model")).toEqual(
        sorted([first, second, third]),
      );
      expect(await found("batch_id=none")).toEqual([]);
    }
    expect((await batches.native(`jobs/${first}`)).json).toMatchObject({
      batch_id: "night",
      custom_id: null,
    });
    await runAll();
  });

  it("has the responses where they are asked for", async () => {
    await submit({ batch_id: "answers" });
    await submit({ batch_id: "answers" }, "bad");
    const query = "jobs?batch_id=answers&include=response";
    expect((await batches.native(query)).json.data).toMatchObject(Array(2).fill({ response: null }));
    await runAll();
    const { data } = (await batches.native(query)).json;
    const byStatus = Object.fromEntries(data.map((job: { status: string }) => [job.status, job]));
    expect(byStatus.completed).toMatchObject({ response_absent: null, response: { status_code: 200 } });
    expect(byStatus.completed.response.body.choices[0].message.content).toBe("openai-one");
    expect(byStatus.failed).toMatchObject({ response: { status_code: 400 } });
    const without = (await batches.native("jobs?batch_id=answers")).json.data;
    expect(without).toMatchObject(Array(2).fill({ response_absent: "listed", response: null }));
  });

  it.each([
    "status=none",
    "created_after=soon",
    "created_before=1700000000000",
    "include=all",
    "batch=x",
    "metadata=x",
    Array.from({ length: 17 }, (_, n) => `metadata.k${n}=v`).join("&"),
  ])("is refused for %s", async (query) => {
    expect(await batches.native(`jobs?${query}`)).toMatchObject({
      status: 400,
      json: { code: "invalid_request" },
    });
  });

  it("has the lines of a batch, with their names", async () => {
    const made = await batches.create([{ custom_id: "a" }, { custom_id: "b", says: "bad" }]);
    await batches.ended(made.id);
    const { data } = (await batches.native(`jobs?batch_id=${made.id}`)).json;
    expect(data.map((job: { custom_id: string }) => job.custom_id).sort()).toEqual(["a", "b"]);
    expect(data).toMatchObject(Array(2).fill({ batch_id: made.id, priority: "low" }));
  });
});

it("nobody puts a job among the lines of a batch", async () => {
  const body = { model: "openai-one-model", messages: [] };
  for (const batch_id of [`batch_${"0".repeat(32)}`, "", "a b", "x".repeat(65)])
    expect(await batches.native("jobs", { body, batch_id })).toMatchObject({
      status: 400,
      json: { faults: [{ path: "/batch_id" }] },
    });
});

it("all jobs of a group are cancelled at once, and no other", async () => {
  batches.holdsLine = true;
  const ids = [(await submit({ batch_id: "off" })).id, (await submit({ batch_id: "off" })).id];
  const other = await submit({ batch_id: "on" });
  const foreign = await submit({ batch_id: "off" }, "Hi", "team-b");
  expect(await batches.native("jobs/cancel", {})).toMatchObject({ status: 400 });
  expect(
    (await batches.native("jobs/cancel", { batch_id: "off", status: "in_progress" })).json.cancelled,
  ).toBe(0);
  const cancelled = await batches.native("jobs/cancel", { batch_id: "off" });
  expect(cancelled).toMatchObject({
    status: 200,
    json: { object: "cancellation", cancelled: 2, has_more: false },
  });
  for (const id of ids) expect((await batches.native(`jobs/${id}`)).json.status).toBe("cancelled");
  expect((await batches.native(`jobs/${other.id}`)).json.status).toBe("queued");
  expect((await batches.native(`jobs/${foreign.id}`, undefined, "team-b")).json.status).toBe("queued");
  expect((await batches.native("jobs/cancel", { batch_id: "off" })).json.cancelled).toBe(0);
  batches.holdsLine = false;
  await runAll();
});

describe("a retry", () => {
  it("makes one new job of one that failed, which names it", async () => {
    const failed = await submit({ batch_id: "again", metadata: { a: "b" }, priority: "high" }, "bad");
    expect(await batches.native(`jobs/${failed.id}/retry`, "POST")).toMatchObject({
      status: 409,
      json: { code: "job_not_ended" },
    });
    await runAll();
    const { status, json } = await batches.native(`jobs/${failed.id}/retry`, "POST");
    expect(status).toBe(202);
    expect(json).toMatchObject({
      ...{ status: "queued", retries: failed.id, batch_id: "again", metadata: { a: "b" }, priority: "high" },
    });
    expect((await batches.native(`jobs/${failed.id}/retry`, "POST")).json.id).toBe(json.id);
    await runAll();
    const { trail } = await world.seen({ tenant_id: "team-a", job_id: json.id });
    expect(trail[0]).toMatchObject({ event: "accepted", reason: `retry of ${failed.id}` });
    expect((await batches.native(`jobs/${json.id}/retry`, "POST")).json.retries).toBe(json.id);
    await runAll();
    expect((await batches.native(`jobs/${failed.id}/retry`, "POST", "team-b")).status).toBe(404);
  });

  it("is refused where there is an answer, or no request any more", async () => {
    const { id } = await submit();
    const gone = await submit({}, "bad");
    await runAll();
    expect((await batches.native(`jobs/${id}/retry`, "POST")).json.code).toBe("nothing_to_retry");
    await batches.door(`http://door/api/jobs/${gone.id}`, {
      method: "DELETE",
      headers: { authorization: "Bearer team-a" },
    });
    expect((await batches.native(`jobs/${gone.id}/retry`, "POST")).json.code).toBe("request_gone");
  });

  it("of a batch's failed lines is a new batch, which names it", async () => {
    const lines = [
      { custom_id: "good" },
      { custom_id: "first", says: "bad" },
      { custom_id: "second", says: "bad" },
    ];
    const made = await batches.create(lines, { metadata: { of: "mine" } });
    const route = `batches/${made.id}/retry-failed`;
    expect((await batches.native(route, "POST")).json.code).toBe("batch_not_ended");
    await batches.ended(made.id);
    const { status, json } = await batches.native(route, "POST");
    expect([status, json]).toMatchObject([
      202,
      { object: "batch", status: "validating", retries: made.id, metadata: { of: "mine" } },
    ]);
    expect((await batches.native(route, "POST")).json.id).toBe(json.id);
    const ended = await batches.ended(json.id);
    expect(ended.request_counts).toEqual({ total: 2, completed: 0, failed: 2 });
    expect((await batches.both(ended)).ids).toEqual(["first", "second"]);
    expect((await client.files.retrieve(ended.input_file_id)).filename).toBe(`${made.id}_failed.jsonl`);
    const good = await batches.ended((await batches.create([{ custom_id: "good" }])).id);
    expect((await batches.native(`batches/${good.id}/retry-failed`, "POST")).json.code).toBe(
      "nothing_to_retry",
    );
    await client.files.delete(ended.input_file_id);
    expect((await batches.native(`batches/${ended.id}/retry-failed`, "POST")).json.code).toBe(
      "file_not_found",
    );
  });
});

describe("the results of a batch", () => {
  const read = async (id: string, after = "") => {
    const answered = await batches.door(`http://door/api/batches/${id}/results${after}`, {
      headers: { authorization: "Bearer team-a" },
    });
    expect(answered.headers.get("content-type")).toBe("application/x-ndjson");
    const lines = (await answered.text()).split("\n").filter((line) => line !== "");
    const next = `?after=${answered.headers.get("x-switchyard-after")}`;
    return { next, ids: lines.map((line) => (JSON.parse(line) as Result).custom_id).sort() };
  };

  it("come while it runs, each once", async () => {
    const made = await batches.create([
      { custom_id: "a" },
      { custom_id: "b", says: "bad" },
      { custom_id: "slow" },
    ]);
    expect(await read(made.id)).toEqual({ next: "?after=0-0", ids: [] });
    batches.holdsLine = true;
    await batches.until(made.id, ({ status }) => status === "in_progress");
    const slow = async () =>
      (await batches.native(`jobs?batch_id=${made.id}`)).json.data.find(
        ({ custom_id }: { custom_id: string }) => custom_id === "slow",
      );
    await world.turnUntil(async () => {
      batches.deliver();
      return (await slow()) !== undefined;
    });
    // What is held back is the slow one alone.
    const { id } = await slow();
    batches.holds = ({ job_id }) => job_id === id;
    batches.holdsLine = false;
    await batches.until(
      made.id,
      ({ request_counts: counts }) => (counts?.completed ?? 0) + (counts?.failed ?? 0) === 2,
    );
    const some = await read(made.id);
    expect(some.ids).toEqual(["a", "b"]);
    expect((await read(made.id, some.next)).ids).toEqual([]);
    batches.holds = () => false;
    const ended = await batches.ended(made.id, 1_000);
    expect((await read(made.id, some.next)).ids).toEqual(["slow"]);
    expect((await read(made.id)).ids).toEqual(["a", "b", "slow"]);
    await client.files.delete(ended.output_file_id ?? "");
    expect((await read(made.id)).ids).toEqual(["b"]);
  });

  it("are their tenant's alone", async () => {
    const { id } = await batches.create([{ custom_id: "a" }]);
    expect((await batches.native(`batches/${id}/results`, undefined, "team-b")).status).toBe(404);
    expect((await batches.native(`batches/${id}/results?after=x`)).status).toBe(400);
    await batches.ended(id);
  });
});
