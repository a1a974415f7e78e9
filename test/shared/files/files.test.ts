import { createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { OpenAI, toFile } from "openai";
import { afterAll, describe, expect, it } from "vitest";
import { PAGE_BYTES, rangeOf } from "../../../shared/files/file.ts";
import { UNCOMMITTED_MS } from "../../../shared/limits.ts";
import { clientOver, doorOver } from "../../openai/fetched-door.ts";
import { World } from "../world.ts";

const opened = await World.open({
  settings: { files: { maxFileBytes: 3e6, maxFiles: 8, maxBytes: 6e6, bytesPerSecond: 1e12 } },
});
const folder = mkdtempSync(path.join(tmpdir(), "switchyard-files-"));
afterAll(async () => {
  await opened.close();
  rmSync(folder, { recursive: true });
});
const { clock } = opened;
const fetched = doorOver(opened);
const client = clientOver(fetched);
const other = clientOver(fetched, "team-b");

const bytesOf = (length: number) => Buffer.from(Array.from({ length }, (_, n) => (n * 7 + (n >> 8)) % 256));
const contentOf = async (id: string) => Buffer.from(await (await client.files.content(id)).arrayBuffer());
const ids = async (container: typeof opened.files) =>
  (await container.items.query<{ id: string }>("SELECT c.id FROM c").fetchAll()).resources.map(
    ({ id }) => id,
  );
const nothingLeft = async () => [await ids(opened.files), await ids(opened.jobs)];
const removeAll = async () => {
  for await (const file of client.files.list()) await client.files.delete(file.id);
};

describe("a file", () => {
  it("comes back byte for byte, whatever its size, from a buffer, a File and a stream", async () => {
    for (const length of [1, 10, PAGE_BYTES, 2 * PAGE_BYTES + 17]) {
      const bytes = bytesOf(length);
      const at = path.join(folder, "some file.jsonl");
      writeFileSync(at, bytes);
      const sources = [
        await toFile(bytes, "a.jsonl"),
        new File([bytes], "b.jsonl"),
        createReadStream(at),
      ] as const;
      for (const [n, file] of sources.entries()) {
        const made = await client.files.create({ file, purpose: "batch" });
        expect(made).toMatchObject({ object: "file", bytes: length, purpose: "batch", status: "processed" });
        expect(made.filename).toBe(["a.jsonl", "b.jsonl", "some file.jsonl"][n]);
        expect(made.expires_at).toBe(made.created_at + 30 * 86_400);
        expect((await contentOf(made.id)).equals(bytes)).toBe(true);
        expect(await client.files.retrieve(made.id)).toEqual(made);
        expect(await client.files.delete(made.id)).toEqual({ id: made.id, object: "file", deleted: true });
        await expect(client.files.content(made.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
      }
    }
    expect(await nothingLeft()).toEqual([[], []]);
  });

  it("is its tenant's alone", async () => {
    const file = await client.files.create({ file: await toFile(bytesOf(5), "a"), purpose: "user_data" });
    expect(file.expires_at).toBeNull();
    for (const refused of [
      other.files.retrieve(file.id),
      other.files.content(file.id),
      other.files.delete(file.id),
    ])
      await expect(refused).rejects.toMatchObject({
        status: 404,
        message: expect.stringContaining("No such File object"),
      });
    expect((await other.files.list()).data).toEqual([]);
    await removeAll();
  });

  it("goes when it said so, with all its pages", async () => {
    const expires_after = { anchor: "created_at", seconds: 3_600 } as const;
    const file = await client.files.create({
      file: await toFile(bytesOf(9), "a"),
      purpose: "batch",
      expires_after,
    });
    clock.advance(3_599_000);
    await client.files.retrieve(file.id);
    clock.advance(1_000);
    await expect(client.files.retrieve(file.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    expect((await client.files.list()).data).toEqual([]);
    await opened.ports.files.removeDue(clock.now(), 10);
    expect(await nothingLeft()).toEqual([[], []]);
  });

  it("is deleted once nobody finds it: what the store fails to remove then, the sweeper removes", async () => {
    const { id } = await client.files.create({ file: await toFile(bytesOf(9), "a"), purpose: "batch" });
    const refuse = { kind: "refuse", status: 503 } as const;
    const removed = { id, object: "file", deleted: true };
    opened.cosmos.setFaults({ rules: [{ operation: "delete", effect: refuse }] });
    expect(await client.files.delete(id)).toEqual(removed);
    expect((await ids(opened.files)).length).toBe(1);
    await expect(client.files.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    // A client whose answer was lost tries again.
    expect(await client.files.delete(id)).toEqual(removed);
    await expect(other.files.delete(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    opened.cosmos.setFaults({ rules: [] });
    await opened.ports.files.removeDue(clock.now(), 10);
    expect(await nothingLeft()).toEqual([[], []]);
    await expect(client.files.delete(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  it("is listed, newest first, a page at a time", async () => {
    const made: string[] = [];
    for (const name of ["a", "b", "c"]) {
      clock.advance(1_000);
      const purpose = name === "b" ? "vision" : "batch";
      made.push((await client.files.create({ file: await toFile(bytesOf(3), name), purpose })).id);
    }
    const listed = async (query: OpenAI.FileListParams) => {
      const found: string[] = [];
      for await (const file of client.files.list(query)) found.push(made.indexOf(file.id).toString());
      return found.join("");
    };
    expect(await listed({ limit: 1 })).toBe("210");
    expect(await listed({ limit: 2, order: "asc" })).toBe("012");
    expect(await listed({ purpose: "batch" })).toBe("20");
    await removeAll();
  });

  it("can be had in parts", async () => {
    const bytes = bytesOf(PAGE_BYTES + 100);
    const { id } = await client.files.create({ file: await toFile(bytes, "a"), purpose: "batch" });
    const part = (Range: string) =>
      fetched(`http://door/v1/files/${id}/content`, { headers: { authorization: "Bearer team-a", Range } });
    const across = await part(`bytes=${PAGE_BYTES - 3}-${PAGE_BYTES + 2}`);
    expect([across.status, across.headers.get("content-range")]).toEqual([
      206,
      `bytes ${PAGE_BYTES - 3}-${PAGE_BYTES + 2}/${bytes.length}`,
    ]);
    expect(Buffer.from(await across.arrayBuffer())).toEqual(bytes.subarray(PAGE_BYTES - 3, PAGE_BYTES + 3));
    expect(Buffer.from(await (await part("bytes=-10")).arrayBuffer())).toEqual(bytes.subarray(-10));
    expect((await part(`bytes=${bytes.length}-`)).status).toBe(416);
    await removeAll();
  });
});

describe("an upload", () => {
  const form = (parts: string, boundary = "x") =>
    fetched("http://door/v1/files", {
      method: "POST",
      headers: {
        authorization: "Bearer team-a",
        "content-type": `multipart/form-data; boundary=${boundary}`,
      },
      body: parts,
    });
  const file = '--x\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\nabc\r\n';
  const purpose = '--x\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n';
  const errorOf = async (sent: Promise<Response>) => {
    const answer = await sent;
    // biome-ignore lint/suspicious/noExplicitAny: what a service answers is for the test to say
    return [answer.status, ((await answer.json()) as any).error?.message];
  };

  it("may have its parts in any order", async () => {
    for (const parts of [file + purpose, purpose + file])
      expect((await form(`${parts}--x--\r\n`)).status).toBe(200);
    await removeAll();
  });

  it("that is no whole form, or lacks something, is refused and leaves nothing", async () => {
    expect(await errorOf(form(file + purpose))).toEqual([400, expect.stringContaining("no whole form")]);
    expect(await errorOf(form(`${file}--x--\r\n`))).toEqual([
      400,
      expect.stringContaining("purpose: must be one of"),
    ]);
    expect(await errorOf(form(`${purpose}--x--\r\n`))).toEqual([
      400,
      expect.stringContaining("`file` is required"),
    ]);
    expect(await errorOf(form(`${file}${file}${purpose}--x--\r\n`))).toEqual([
      400,
      expect.stringContaining("more than one"),
    ]);
    expect(await errorOf(form("{}", ""))).toEqual([415, expect.any(String)]);
    expect(await errorOf(form("nothing"))).toEqual([400, expect.any(String)]);
    expect(await nothingLeft()).toEqual([[], []]);
  });

  it("that breaks off leaves nothing, and one whose process dies nothing after an hour", async () => {
    const breaking = new ReadableStream({
      async start(to) {
        to.enqueue(Buffer.from(`${file.slice(0, -5)}${"x".repeat(2 * PAGE_BYTES)}`));
        for (let n = 0; n < 50; n++) await new Promise((resolve) => setImmediate(resolve));
        to.error(new Error("the client left"));
      },
    });
    const answer = await fetched("http://door/v1/files", {
      method: "POST",
      headers: { authorization: "Bearer team-a", "content-type": "multipart/form-data; boundary=x" },
      body: breaking,
    });
    expect(answer.status).toBe(500);
    expect(await nothingLeft()).toEqual([[], []]);
    const key = { tenant_id: "team-a", file_id: "file-1" };
    await opened.ports.files.begin(key, clock.now() + UNCOMMITTED_MS);
    await opened.ports.files.writePage(key, "page-000000", bytesOf(4));
    await opened.ports.files.removeDue(clock.now(), 10);
    expect(await ids(opened.files)).toEqual(["page-000000"]);
    clock.advance(UNCOMMITTED_MS);
    await opened.ports.files.removeDue(clock.now(), 10);
    expect(await nothingLeft()).toEqual([[], []]);
  });

  it("is held to its tenant's limits", async () => {
    const create = async (length: number) =>
      client.files.create({ file: await toFile(Buffer.alloc(length), "a"), purpose: "batch" });
    await expect(create(3e6 + 1)).rejects.toMatchObject({ status: 413, code: "file_too_large" });
    await create(2.9e6);
    await create(2.9e6);
    await expect(create(300_000)).rejects.toMatchObject({ status: 400, code: "file_limit_reached" });
    for (let n = 0; n < 6; n++) await create(1);
    await expect(create(1)).rejects.toMatchObject({ status: 400, code: "file_limit_reached" });
    await other.files.create({ file: await toFile(Buffer.alloc(5), "a"), purpose: "batch" });
    await removeAll();
  });
});

it("a range is what RFC 9110 says", () => {
  fc.assert(
    fc.property(fc.nat(50), fc.nat(60), fc.nat(60), (bytes, from, to) => {
      const all = Array.from({ length: bytes }, (_, n) => n);
      const range = rangeOf(`bytes=${from}-${to}`, bytes);
      if (to < from) expect(range).toBeUndefined();
      else if (from >= bytes) expect(range).toBe("none");
      else if (typeof range === "object")
        expect(all.slice(range.from, range.to + 1)).toEqual(all.slice(from, to + 1));
      const last = rangeOf(`bytes=-${to}`, bytes);
      if (to === 0 || bytes === 0) expect(last).toBe("none");
      else expect(last).toEqual({ from: Math.max(0, bytes - to), to: bytes - 1 });
    }),
  );
  for (const header of [undefined, "", "bytes=", "bytes=-", "items=1-2", "bytes=1-2,4-5"])
    expect(rangeOf(header, 10)).toBeUndefined();
});
