import { OpenAI } from "openai";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import type { BatchStore } from "../../../shared/batch/ports.ts";
import { isEnded } from "../../../shared/job/job.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { BatchWorld, jsonl, type Line, lineOf } from "./batch-world.ts";

const batches = await BatchWorld.open();
const { client, world } = batches;
const { clock, labs } = world;
afterAll(() => world.close());
afterEach(() => {
  batches.change = {};
  batches.holdsLine = false;
  expect(batches.failures.splice(0)).toEqual([]);
});

const many = (count: number, more: Omit<Line, "custom_id"> = {}): Line[] =>
  Array.from({ length: count }, (_, n) => ({ custom_id: `line-${String(n).padStart(4, "0")}`, ...more }));
const idsOf = (lines: readonly Line[]) => lines.map(({ custom_id }) => custom_id).sort();
const jobsOf = async (id: string) =>
  (
    await world.jobs.items
      .query<{ job_id: string }>(`SELECT c.job_id FROM c WHERE c.batch_id = '${id}'`)
      .fetchAll()
  ).resources.map(({ job_id }) => ({ tenant_id: "team-a", job_id }));

describe("a batch", () => {
  it("over several labs gives every line in one of two files, with usage and cost", async () => {
    const lines = [
      ...many(3),
      { custom_id: "other lab", model: "xai-two-model" },
      { custom_id: "any", model: "both" },
      { custom_id: "refused", says: "bad" },
    ];
    const made = await batches.create(lines, { metadata: { of: "mine" } });
    expect(made).toMatchObject({ object: "batch", status: "validating", output_file_id: null, errors: null });
    expect(made.request_counts).toEqual({ total: 0, completed: 0, failed: 0 });
    const batch = await batches.ended(made.id);
    expect(batch).toMatchObject({
      status: "completed",
      request_counts: { total: 6, completed: 5, failed: 1 },
    });
    expect(batch.usage).toMatchObject({ input_tokens: 50, output_tokens: 25, total_tokens: 75 });
    for (const at of ["in_progress_at", "finalizing_at", "completed_at"] as const)
      expect(batch[at]).toBeGreaterThanOrEqual(batch.created_at);
    const { output, errors, ids } = await batches.both(batch);
    expect(ids).toEqual(idsOf(lines));
    const ofLab = output.find(({ custom_id }) => custom_id === "other lab");
    expect(ofLab).toMatchObject({ error: null, response: { status_code: 200 } });
    expect(ofLab?.response.body.choices[0].message.content).toBe("xai-two");
    expect(errors).toMatchObject([{ error: null, response: { status_code: 400 } }]);
    expect(errors[0]?.response.body.error).toMatchObject({ message: "no such thing", param: "messages" });
    const jobs = await jobsOf(made.id);
    expect(jobs.length).toBe(6);
    const [job] = await Promise.all(jobs.map((key) => world.job(key)));
    expect(job).toMatchObject({
      priority: "low",
      metadata: { of: "mine" },
      deadline_ms: (batch.expires_at as number) * 1000 + ((job?.deadline_ms ?? 0) % 1000),
    });
    const costs = await Promise.all(jobs.map(async (key) => (await world.job(key)).cost?.amount ?? "0"));
    const answered = await client.batches.retrieve(made.id).withResponse();
    const told = answered.response.headers.get("x-switchyard-cost");
    const sum = costs.reduce((all, each) => all + Number(each), 0);
    expect(Number(told?.split(" ")[0] ?? "0")).toBeCloseTo(sum, 12);
    const listed = await client.files.list({ purpose: "batch_output" } as never);
    expect(listed.data.map(({ id }) => id).sort()).toEqual(
      [batch.output_file_id, batch.error_file_id].sort(),
    );
    expect((await client.batches.list({ limit: 1 })).data.map(({ id }) => id)).toEqual([made.id]);
  });

  it("whose lines all fail is completed, without an output file", async () => {
    const batch = await batches.ended((await batches.create(many(2, { says: "bad" }))).id);
    expect(batch).toMatchObject({
      status: "completed",
      output_file_id: null,
      request_counts: { total: 2, completed: 0, failed: 2 },
    });
    expect((await batches.both(batch)).errors.length).toBe(2);
  });

  it("of more than one page of lines, with a byte order mark and line breaks of Windows", {
    tags: ["long"],
  }, async () => {
    const lines = many(1_203);
    const input_file_id = await batches.upload(
      `\ufeff${jsonl(lines.map(lineOf)).replaceAll("\n", "\r\n")}\r\n\r\n`,
    );
    const made = await client.batches.create({
      input_file_id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h",
    });
    const batch = await batches.ended(made.id, 500);
    expect(batch.request_counts).toEqual({ total: 1_203, completed: 1_203, failed: 0 });
    const { ids } = await batches.both(batch);
    expect(ids).toEqual(idsOf(lines));
    const calls = labs.calls.filter(({ body }) => body.includes("Hi")).length;
    expect(calls).toBeGreaterThanOrEqual(1_203);
  });

  it("is its tenant's alone, and one that there is not is not found", async () => {
    const { id } = await batches.create(many(1));
    for (const refused of [batches.other.batches.retrieve(id), batches.other.batches.cancel(id)])
      await expect(refused).rejects.toMatchObject({ status: 404, code: "batch_not_found" });
    expect((await batches.other.batches.list()).data).toEqual([]);
    await batches.ended(id);
  });

  it("is one for one idempotency key", async () => {
    const input_file_id = await batches.upload(jsonl(many(1).map(lineOf)));
    const asked = { input_file_id, endpoint: "/v1/chat/completions", completion_window: "2d" } as never;
    const options = { headers: { "Idempotency-Key": "once" } };
    const made = await client.batches.create(asked, options);
    expect((await client.batches.create(asked, options)).id).toBe(made.id);
    expect(made.expires_at).toBe(made.created_at + 2 * 86_400);
    await batches.ended(made.id);
  });
});

describe("a batch that is cancelled", () => {
  it("before it was validated gives every line as cancelled", async () => {
    const made = await batches.create(many(4));
    expect((await client.batches.cancel(made.id)).status).toBe("cancelling");
    expect((await client.batches.cancel(made.id)).status).toBe("cancelling");
    const batch = await batches.ended(made.id);
    expect(batch).toMatchObject({
      status: "cancelled",
      request_counts: { total: 4, completed: 0, failed: 4 },
    });
    const { errors } = await batches.both(batch);
    expect(errors.map(({ error }) => error?.code)).toEqual(Array(4).fill("batch_cancelled"));
    expect(await jobsOf(made.id)).toEqual([]);
    expect((await client.batches.cancel(made.id)).status).toBe("cancelled");
  });

  it("while its lines wait gives what has ended, and the others as cancelled", async () => {
    const lines = many(5);
    const made = await batches.create(lines);
    batches.holdsLine = true;
    await batches.until(made.id, ({ status }) => status === "in_progress");
    await world.turnUntil(async () => {
      batches.deliver();
      return (await jobsOf(made.id)).length === 5;
    });
    const cancelling = await client.batches.cancel(made.id);
    expect(cancelling.cancelling_at).toBeGreaterThan(0);
    batches.holdsLine = false;
    const batch = await batches.ended(made.id);
    expect(batch.status).toBe("cancelled");
    const { completed = 0, failed = 0 } = batch.request_counts ?? {};
    expect(completed + failed).toBe(5);
    expect((await batches.both(batch)).ids).toEqual(idsOf(lines));
  });

  it("after jobs were made of lines, before that was stored, ends those jobs, and tells of each as it ended", async () => {
    const lines = many(5);
    const made = await batches.create(lines);
    batches.holdsLine = true;
    let isOvertaken = false;
    const { write } = world.ports.batches;
    const overtaken: BatchStore["write"] = async function (this: BatchStore, ...args) {
      if (!isOvertaken && (await jobsOf(made.id)).length === 5) {
        isOvertaken = true;
        await client.batches.cancel(made.id);
      }
      return write.apply(world.ports.batches, args);
    };
    batches.change = { batches: Object.assign(Object.create(world.ports.batches), { write: overtaken }) };
    const batch = await batches.ended(made.id);
    expect(isOvertaken).toBe(true);
    expect(batch).toMatchObject({ status: "cancelled", request_counts: { total: 5 } });
    const { output, errors } = await batches.both(batch);
    expect([...output, ...errors].map(({ custom_id }) => custom_id).sort()).toEqual(idsOf(lines));
    const jobs = await Promise.all((await jobsOf(made.id)).map((key) => world.job(key)));
    expect(jobs.map((job) => isEnded(job))).toEqual(Array(5).fill(true));
    const completed = jobs.filter(({ status }) => status === "completed").map(({ custom_id }) => custom_id);
    expect(output.map(({ custom_id }) => custom_id).sort()).toEqual(completed.sort());
  });

  it("after its end is refused, and not tried again", async () => {
    const batch = await batches.ended((await batches.create(many(1))).id);
    await expect(client.batches.cancel(batch.id)).rejects.toBeInstanceOf(OpenAI.ConflictError);
  });
});

it("lines that have not ended in time are expired, and what has ended is kept", async () => {
  const made = await batches.create([...many(2)], { completion_window: "10m" as never });
  batches.holdsLine = true;
  await batches.until(made.id, ({ status }) => status === "in_progress");
  clock.advance(601_000);
  batches.holdsLine = false;
  const swept = async () => void (await batches.instance.sweep());
  await swept();
  const batch = await batches.ended(made.id, 200);
  expect(batch).toMatchObject({ status: "expired", request_counts: { total: 2, completed: 0, failed: 2 } });
  const { errors } = await batches.both(batch);
  expect(errors.map(({ error }) => error?.code)).toEqual(["batch_expired", "batch_expired"]);
  expect(batch.expired_at).toBeGreaterThan(0);
});

it("a line that a host of an older version ended, without a mark, is found all the same", async () => {
  const made = await batches.create(many(2));
  const unmarked: BatchStore["ended"] = async function* () {};
  batches.change = { batches: Object.assign(Object.create(world.ports.batches), { ended: unmarked }) };
  const batch = await batches.ended(made.id, 500);
  expect(batch.request_counts).toEqual({ total: 2, completed: 2, failed: 0 });
});

describe("a turn that dies before any of its writes", () => {
  const repeatsAndLosesNothing = async (left: number) => {
    const lines = [...many(6), { custom_id: "refused", says: "bad" }];
    const before = labs.calls.length;
    const made = await batches.create(lines);
    let writes = 0;
    const dying = <T extends object>(port: T): T =>
      new Proxy(port, {
        get(of, name) {
          const own: unknown = Reflect.get(of, name);
          if (typeof own !== "function" || !["write", "writePage", "commit"].includes(String(name)))
            return own;
          return async (...args: unknown[]) => {
            // One death in each stretch of writes, then the work goes on.
            if (writes++ % 7 === left) throw new StoreUnavailable("died");
            return own.apply(of, args);
          };
        },
      });
    batches.change = { batches: dying(world.ports.batches), files: dying(world.ports.files) };
    await world.turnUntil(async () => {
      batches.deliver();
      await batches.instance.sweep();
      return ["completed", "expired"].includes((await client.batches.retrieve(made.id)).status);
    }, 1_000);
    const batch = await client.batches.retrieve(made.id);
    expect(batch.request_counts).toEqual({ total: 7, completed: 6, failed: 1 });
    expect((await batches.both(batch)).ids).toEqual(idsOf(lines));
    expect(labs.calls.length - before).toBe(7);
    const jobs = await Promise.all((await jobsOf(made.id)).map((key) => world.job(key)));
    expect(jobs.map((job) => isEnded(job))).toEqual(Array(7).fill(true));
  };
  const name = "(%i) repeats nothing and loses nothing";
  it.each([0, 1])(name, repeatsAndLosesNothing);
  it.each([2, 3, 4, 5])(name, { tags: ["long"] }, repeatsAndLosesNothing);
});

describe("an input that is not valid", () => {
  const good = lineOf({ custom_id: "good" });
  const faults = async (content: string) => {
    const input_file_id = await batches.upload(content);
    const made = await client.batches.create({
      input_file_id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h",
    });
    const batch = await batches.ended(made.id);
    expect(batch).toMatchObject({ status: "failed", request_counts: { total: 0 }, output_file_id: null });
    expect(await jobsOf(made.id)).toEqual([]);
    return batch.errors?.data ?? [];
  };
  const failing = async (content: string) =>
    (await faults(content)).map(({ code, line, param }) => [code, line, param]);

  it("is refused with every fault and its line, before any line runs", async () => {
    expect(await failing("\n")).toEqual([["empty_file", null, "input_file_id"]]);
    const lines = [
      ...[good, good, { ...good, custom_id: 5 }, { ...good, custom_id: "url", url: "/v1/embeddings" }],
      { ...good, custom_id: "model", body: { model: "none", messages: [] } },
      { ...good, custom_id: "stream", body: { ...good.body, stream: true, background: true } },
      { ...good, custom_id: "method", method: "GET" },
      ...[{ ...good, custom_id: "" }, [], { ...good, custom_id: "no body", body: undefined }],
    ];
    const text = `${jsonl(lines)}\n{"custom_id": oh}\n`;
    expect(await failing(text)).toEqual([
      ["duplicate_custom_id", 2, "custom_id"],
      ["invalid_request", 3, "custom_id"],
      ["url_mismatch", 4, "url"],
      ["model_not_found", 5, "body.model"],
      ["invalid_request", 6, "body.stream"],
      ["invalid_request", 6, "body.background"],
      ["invalid_request", 7, "method"],
      ["invalid_request", 8, "custom_id"],
      ["invalid_request", 9, null],
      ["invalid_request", 10, "body"],
      ["invalid_json_line", 11, null],
    ]);
    expect(await failing(jsonl(many(2_001).map(lineOf)))).toEqual([["too_many_tasks", 2_001, null]]);
    expect(await failing("{\n".repeat(500))).toHaveLength(100);
    const [broken] = await faults("not json\n");
    expect(broken?.message).toBe("The line is not valid JSON: at character 0.");
  });

  it("is refused where it was deleted before it was read", async () => {
    const made = await batches.create(many(1));
    await client.files.delete(made.input_file_id);
    const { status, errors } = await batches.ended(made.id);
    expect([status, errors?.data?.map(({ code }) => code)]).toEqual(["failed", ["input_no_permissions"]]);
  });

  it("is refused at once where that is known at once", async () => {
    const input_file_id = await batches.upload(jsonl([good]));
    const asked = { input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h" } as const;
    const create = (change: object) => client.batches.create({ ...asked, ...change } as never);
    await expect(create({ input_file_id: `file-${"0".repeat(32)}` })).rejects.toMatchObject({ status: 404 });
    await expect(create({ endpoint: "/v1/videos" })).rejects.toMatchObject({
      status: 400,
      param: "endpoint",
    });
    for (const completion_window of ["", "24", "0h", "99d", "1w"])
      await expect(create({ completion_window })).rejects.toMatchObject({
        status: 400,
        param: "completion_window",
      });
    const { id } = await client.files.create({ file: new File(["x"], "x"), purpose: "user_data" });
    await expect(create({ input_file_id: id })).rejects.toMatchObject({
      status: 400,
      param: "input_file_id",
    });
    // As Azure writes it.
    const made = await create({ endpoint: "/chat/completions" });
    expect((await batches.ended(made.id)).status).toBe("completed");
  });
});
