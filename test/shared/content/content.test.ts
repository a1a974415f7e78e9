import { afterAll, describe, expect, it } from "vitest";
import { CosmosJobStore } from "../../../shared/azure/cosmos/job-store.ts";
import { bytesTooMany } from "../../../shared/content/content.ts";
import type { ContentStore } from "../../../shared/content/content-store.ts";
import { end } from "../../../shared/job/ending/end.ts";
import { acceptJob, type Submission } from "../../../shared/job/intake/accept.ts";
import { draftOf } from "../../../shared/job/life-cycle.ts";
import {
  MAX_METADATA_KEY_CHARS,
  MAX_METADATA_PAIRS,
  MAX_METADATA_VALUE_CHARS,
  MAX_STORED_CONTENT_BYTES,
} from "../../../shared/limits.ts";
import { by, submission } from "../job/samples.ts";
import { World } from "../world.ts";

const opened = await World.open();
afterAll(() => opened.close());
const { clock } = opened;
const nowMs = clock.now();

/** A text that takes so many bytes where it is stored. */
const bodyOf = (bytes: number) => '"'.repeat(1_000) + "x".repeat(bytes - 2_002);

async function stored(n: number, change: Partial<Submission>, store = opened.ports.store) {
  const accepted = acceptJob(
    { ...submission, ...change },
    {
      ...{ ...by, jobId: `job_${n}`, nowMs },
      retention: { contentDays: 1, auditDays: 0 },
    },
  );
  const created = await store.create(accepted, nowMs);
  if (created.kind !== "written") throw new Error(created.kind);
  return { job: accepted.job, etag: created.etag };
}

describe("a body's size", () => {
  it("is that of the stored text, escapes included", () => {
    for (const text of ["a", '"', "\n", "\u0001", "é", "鱀", "😀", "\ud800", 'a"é\u0000']) {
      for (const chars of [310_000, 640_000, 949_999, 1_899_997, 1_899_999]) {
        const body = text.repeat(Math.ceil(chars / text.length)).slice(0, chars);
        const bytes = Buffer.byteLength(JSON.stringify(body));
        expect(bytesTooMany(body)).toBe(bytes > MAX_STORED_CONTENT_BYTES ? bytes : undefined);
      }
    }
  });

  it("may be the most there is beside the largest job, as a request and as an answer", async () => {
    const body = bodyOf(MAX_STORED_CONTENT_BYTES);
    expect([bytesTooMany(body), bytesTooMany(`${body}x`)]).toEqual([undefined, MAX_STORED_CONTENT_BYTES + 1]);
    const pairs = Array.from({ length: MAX_METADATA_PAIRS }, (_, n) => [
      String(n).padEnd(MAX_METADATA_KEY_CHARS, "k"),
      "\u0001".repeat(MAX_METADATA_VALUE_CHARS),
    ]);
    const metadata: Record<string, string> = Object.fromEntries(pairs);
    const { job, etag } = await stored(1, { bodyText: body, metadata });
    expect((await opened.ports.store.readWithRequest(job))?.request).toEqual({ body });
    const response = { status_code: 200, request_id: "r", body };
    const ended = end(draftOf(job), { status: "completed", nowMs, actor: "w", response });
    expect((await opened.ports.store.write(ended, etag, nowMs)).kind).toBe("written");
    expect(await opened.ports.store.readResponse(job)).toEqual(response);
  });
});

describe("a content store that keeps bodies elsewhere", () => {
  it("has them before the batch that commits them, and gives them whole", async () => {
    const elsewhere = new Map<string, string>();
    const puts: { readonly ttl: number; readonly isCommitted: boolean }[] = [];
    const contents: ContentStore = {
      async put(owner, body, ttl) {
        const { resource } = await opened.jobs.item("job", [owner.tenant_id, owner.job_id]).read();
        puts.push({ ttl, isCommitted: resource?.completed_at_ms != null });
        const name = `at ${elsewhere.size}`;
        elsewhere.set(name, body);
        return { body: name };
      },
      read: async (_owner, { body }) => elsewhere.get(body) ?? "lost",
    };
    const store = new CosmosJobStore(opened.items.jobs, { contentDays: 1, auditDays: 0 }, contents);
    const deadlineMs = nowMs + 60_000;
    const { job, etag } = await stored(2, { bodyText: "[1]", deadlineMs }, store);
    const response = { status_code: 200, request_id: "r", body: "[2]" };
    const ended = end(draftOf(job), { status: "completed", nowMs, actor: "w", response });
    await store.write(ended, etag, nowMs);
    const ttl = 60 + 86_400;
    expect(puts).toEqual([
      { ttl, isCommitted: false },
      { ttl, isCommitted: false },
    ]);
    expect((await store.readWithRequest(job))?.request).toEqual({ body: "[1]" });
    expect(await store.readResponse(job)).toEqual(response);
    expect((await store.readWithResponse(job))?.response).toEqual(response);
    const item = opened.jobs.item("response", [job.tenant_id, job.job_id]);
    expect((await item.read()).resource).toMatchObject({ kind: "response", body: "at 1", ttl });
  });
});
