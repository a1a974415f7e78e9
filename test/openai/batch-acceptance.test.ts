import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { OpenAI, toFile } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stack } from "../end-to-end/stack.ts";

/** Files and batches as users of OpenAI's own SDK have them, over the whole local stack and the labs of its catalogue. */
const stack = new Stack({ SWEEP_SECONDS: "1", MAX_BATCH_LINES: "20" });
let client: OpenAI;
beforeAll(async () => {
  await stack.start();
  client = new OpenAI({ baseURL: `${stack.url}/openai/v1`, apiKey: "local-team-a" });
});
afterAll(() => stack.remove());

const LABS = ["gpt-sim", "grok-sim", "deepseek-sim"];
const MB = 1_000_000;
const sha256 = async (chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) => {
  const hash = createHash("sha256");
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
};

describe("files", { tags: ["long"] }, () => {
  it("are uploaded from whatever the SDK takes, listed one by one, and come back byte for byte", async () => {
    const bytes = Buffer.from(Array.from({ length: 700_001 }, (_, n) => (n * 31) % 251));
    const onDisk = path.join(stack.folder, "on-disk.jsonl");
    await pipeline(Readable.from([bytes]), createWriteStream(onDisk));
    const sources = [
      new File([bytes], "a.jsonl"),
      await toFile(bytes, "b.jsonl"),
      createReadStream(onDisk),
      await toFile(Readable.from([bytes.subarray(0, 5), bytes.subarray(5)]), "d.jsonl"),
    ];
    const made: string[] = [];
    for (const file of sources) {
      const { id, status, bytes: size } = await client.files.create({ file, purpose: "user_data" });
      expect([status, size]).toEqual(["processed", bytes.length]);
      made.push(id);
    }
    const listed: string[] = [];
    for await (const { id } of client.files.list({ limit: 1, purpose: "user_data" })) listed.push(id);
    expect(listed).toEqual([...made].reverse());
    for (const id of made) {
      const content = Buffer.from(await (await client.files.content(id)).arrayBuffer());
      expect(content.equals(bytes)).toBe(true);
      expect(await client.files.delete(id)).toEqual({ id, object: "file", deleted: true });
      await expect(client.files.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    }
  });

  it("may have 200 MB, and no more", async () => {
    const chunk = Buffer.from(Array.from({ length: MB }, (_, n) => (n * 7) % 253));
    const onDisk = path.join(stack.folder, "large.jsonl");
    await pipeline(Readable.from(Array.from({ length: 200 }, () => chunk)), createWriteStream(onDisk));
    const file = await client.files.create({ file: createReadStream(onDisk), purpose: "user_data" });
    expect(file.bytes).toBe(200 * MB);
    const { body } = await client.files.content(file.id);
    if (body === null) throw new Error("there is no content");
    expect(await sha256(body as unknown as AsyncIterable<Uint8Array>)).toBe(
      await sha256(Array.from({ length: 200 }, () => chunk)),
    );
    await client.files.delete(file.id);
    await pipeline(Readable.from([Buffer.from("x")]), createWriteStream(onDisk, { flags: "a" }));
    const larger = client.files.create({ file: createReadStream(onDisk), purpose: "user_data" });
    await expect(larger).rejects.toMatchObject({ status: 413, code: "file_too_large" });
  });
});

describe("batches over three labs", { tags: ["long"] }, () => {
  const create = async (contents: readonly string[], completion_window = "24h") => {
    const lines = contents.map((content, n) => ({
      ...{ custom_id: `line ${n}`, method: "POST", url: "/v1/chat/completions" },
      body: {
        model: LABS[n % LABS.length],
        messages: [{ role: "user", content: `${content} Number ${n}.` }],
      },
    }));
    const text = lines.map((line) => JSON.stringify(line)).join("\n");
    const input = await client.files.create({ file: new File([text], "in.jsonl"), purpose: "batch" });
    return client.batches.create({
      ...{ input_file_id: input.id, endpoint: "/v1/chat/completions" },
      completion_window: completion_window as "24h",
    });
  };
  const until = async (id: string, isSo: (batch: OpenAI.Batch) => boolean) => {
    for (;;) {
      const batch = await client.batches.retrieve(id);
      if (isSo(batch)) return batch;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const ended = (id: string) =>
    until(id, ({ status }) => ["completed", "failed", "expired", "cancelled"].includes(status));
  // biome-ignore lint/suspicious/noExplicitAny: what a lab answers
  const linesOf = async (id: string | null | undefined): Promise<any[]> => {
    if (id == null) return [];
    const text = await (await client.files.content(id)).text();
    return text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  };
  /** Both files, once it is seen that each line is in one of them. */
  const filesOf = async (batch: OpenAI.Batch, count: number) => {
    const [output, errors] = [await linesOf(batch.output_file_id), await linesOf(batch.error_file_id)];
    expect([...output, ...errors].map(({ custom_id }) => custom_id).sort()).toEqual(
      Array.from({ length: count }, (_, n) => `line ${n}`).sort(),
    );
    expect(batch.request_counts).toEqual({ total: count, completed: output.length, failed: errors.length });
    return { output, errors };
  };
  const GOOD = "Say something.";
  const BAD = "[[content_filter]]";
  const HANGS = "[[sim:hang]]";

  it("are completed: all answered, some, none", async () => {
    const [all, some, none] = await Promise.all([
      create(Array(9).fill(GOOD)),
      create([GOOD, BAD, GOOD, BAD, GOOD]),
      create(Array(3).fill(BAD)),
    ]);
    const whole = await ended(all.id);
    expect([whole.status, whole.error_file_id]).toEqual(["completed", null]);
    const { output } = await filesOf(whole, 9);
    for (const { response, error } of output) {
      expect([response.status_code, error]).toEqual([200, null]);
      expect(response.body.choices[0].message.content).not.toBe("");
    }
    const partly = await ended(some.id);
    expect(partly.status).toBe("completed");
    const { errors } = await filesOf(partly, 5);
    expect(errors).toHaveLength(2);
    for (const { response, error } of errors) expect([response.status_code, error]).toEqual([400, null]);
    const failed = await ended(none.id);
    expect([failed.status, failed.output_file_id]).toEqual(["completed", null]);
    await filesOf(failed, 3);
    await expect(client.batches.cancel(none.id)).rejects.toBeInstanceOf(OpenAI.ConflictError);
  });

  it("are cancelled before anything ran, and late", async () => {
    const early = await create([GOOD, GOOD]);
    expect((await client.batches.cancel(early.id)).status).toBe("cancelling");
    const late = await create([GOOD, GOOD, GOOD, HANGS]);
    await until(late.id, ({ request_counts }) => request_counts?.completed === 3);
    expect((await client.batches.cancel(late.id)).cancelling_at).toBeGreaterThan(0);
    const first = await ended(early.id);
    expect(first.status).toBe("cancelled");
    await filesOf(first, 2);
    // A call that runs may end for ten minutes: this one never does, and its job is cancelled by its owner.
    const native = async (route: string, body?: object) =>
      (await stack.call(`/api/${route}`, { ...(body === undefined ? {} : { body }) })).json;
    expect((await native("jobs/cancel", { batch_id: late.id })).cancelled).toBe(1);
    const second = await ended(late.id);
    expect(second.status).toBe("cancelled");
    const { output, errors } = await filesOf(second, 4);
    expect([output.length, errors[0].error.code]).toEqual([3, "batch_cancelled"]);
    // What was not answered is asked for again, in a batch of its own.
    const again = await stack.call(`/api/batches/${late.id}/retry-failed`, { method: "POST" });
    expect([again.status, again.json.retries]).toEqual([202, late.id]);
    await client.batches.cancel(again.json.id);
    await native("jobs/cancel", { batch_id: again.json.id });
  });

  it("expire, with what has ended in time", async () => {
    const batch = await ended((await create([GOOD, HANGS, GOOD], "1m")).id);
    expect(batch.status).toBe("expired");
    const { output, errors } = await filesOf(batch, 3);
    expect([output.length, errors[0].error.code]).toEqual([2, "batch_expired"]);
  });

  const good = {
    ...{ custom_id: "good", method: "POST", url: "/v1/chat/completions" },
    body: { model: "gpt-sim", messages: [{ role: "user", content: "Hi" }] },
  };
  it.each([
    ["invalid_json_line", [good, "{"], 2],
    ["duplicate_custom_id", [good, good], 2],
    ["url_mismatch", [{ ...good, url: "/v1/embeddings" }], 1],
    ["model_not_found", [{ ...good, body: { ...good.body, model: "none" } }], 1],
    ["invalid_request", [good, { ...good, custom_id: "stream", body: { ...good.body, stream: true } }], 2],
    ["too_many_tasks", Array.from({ length: 21 }, (_, n) => ({ ...good, custom_id: `${n}` })), 21],
    ["empty_file", ["", ""], null],
  ] as const)("are refused for %s, with the line", async (code, lines, line) => {
    const text = lines.map((each) => (typeof each === "string" ? each : JSON.stringify(each))).join("\n");
    const file = new File([`${text}\n`], "in.jsonl");
    const input = await client.files.create({ file, purpose: "batch" });
    const { id } = await client.batches.create({
      ...{ input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h" },
    });
    const batch = await ended(id);
    expect(batch.status).toBe("failed");
    expect(batch.errors?.data?.map((fault) => [fault.code, fault.line])).toEqual([[code, line]]);
  });
});
