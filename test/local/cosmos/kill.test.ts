import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Container, OperationInput } from "@azure/cosmos";
import { afterEach, beforeEach, expect, it } from "vitest";
import { seeded } from "../../../local/faults.ts";
import { clientOf } from "./world.ts";

const KILLS = process.env.LONG === "1" ? 200 : 3;
const SEED = Number(process.env.SEED ?? 1);
/** An emulator is killed after so many steps at most, and a moment. */
const MOST_STEPS = 60;
const MOST_MOMENT_MS = 10;
const LANES = 8;

let folder: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "cosmos-kill-"));
});
afterEach(() => {
  child?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/**
 * One writer in a partition of its own. Each step is a batch that moves the counter on and adds the step's record;
 * then a marker is made or removed. `told` is what was acknowledged, `doubt` what was sent without an answer.
 */
class Lane {
  readonly key: string;
  told = { n: 0, marker: false };
  doubt: { n: number; marker: boolean } | undefined;
  etag: string | undefined;

  constructor(n: number) {
    this.key = `lane${n}`;
  }

  async step(items: Container): Promise<void> {
    const n = this.told.n + 1;
    this.doubt = { ...this.told, n };
    const counter = { id: "counter", pk: this.key, n };
    const write: OperationInput =
      this.etag === undefined
        ? { operationType: "Create", resourceBody: counter }
        : { operationType: "Replace", id: "counter", resourceBody: counter, ifMatch: this.etag };
    const record: OperationInput = {
      operationType: "Create",
      resourceBody: { id: `record${n}`, pk: this.key, n },
    };
    const { result } = await items.items.batch([write, record], this.key);
    expect(result?.map((each) => each.statusCode)).toEqual([this.etag === undefined ? 201 : 200, 201]);
    this.etag = result?.[0]?.eTag;
    this.told = this.doubt;
    this.doubt = { ...this.told, marker: !this.told.marker };
    if (this.told.marker) await items.item("marker", this.key).delete();
    else await items.items.create({ id: "marker", pk: this.key });
    this.told = this.doubt;
    this.doubt = undefined;
  }

  /** What is there is what was told, or what was in doubt; a batch is there whole. */
  async check(items: Container): Promise<void> {
    const query = items.items.query<{ id: string; n: number; _etag: string }>("SELECT * FROM c", {
      partitionKey: this.key,
    });
    const { resources } = await query.fetchAll();
    const counter = resources.find(({ id }) => id === "counter");
    const found = { n: counter?.n ?? 0, marker: resources.some(({ id }) => id === "marker") };
    expect(this.doubt === undefined ? [this.told] : [this.told, this.doubt]).toContainEqual(found);
    const records = resources.filter(({ id }) => id.startsWith("record")).map(({ n }) => n);
    expect(records).toEqual(Array.from({ length: found.n }, (_, at) => at + 1));
    this.told = found;
    this.doubt = undefined;
    this.etag = counter?._etag;
  }
}

async function start(): Promise<number> {
  child = fork(path.join(import.meta.dirname, "server-process.ts"), [path.join(folder, "cosmos.db")]);
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return port;
}

it(`keeps what it acknowledged over ${KILLS} kills under load (SEED=${SEED})`, {
  tags: ["long"],
  timeout: KILLS * 30_000,
}, async () => {
  const random = seeded(SEED);
  const lanes = Array.from({ length: LANES }, (_, n) => new Lane(n));
  const etags = new Set<string>();
  for (let kill = 0; kill <= KILLS; kill++) {
    const client = clientOf(await start());
    const { database } = await client.databases.createIfNotExists({ id: "d" });
    const { container } = await database.containers.createIfNotExists({
      id: "c",
      partitionKey: { paths: ["/pk"] },
    });
    for (const lane of lanes) await lane.check(container);
    if (kill === KILLS) {
      client.dispose();
      break;
    }
    let left = 1 + Math.floor(random() * MOST_STEPS);
    let enough: () => void = () => undefined;
    const worked = new Promise<void>((resolve) => {
      enough = resolve;
    });
    const work = lanes.map(async (lane) => {
      for (;;) {
        await lane.step(container);
        // No etag is ever given out twice, not even over a kill.
        expect(etags.has(lane.etag ?? "")).toBe(false);
        etags.add(lane.etag ?? "");
        if (--left === 0) enough();
      }
    });
    const ended = Promise.allSettled(work);
    await Promise.race([worked, ended]);
    await new Promise((resolve) => setTimeout(resolve, random() * MOST_MOMENT_MS));
    const exited = child && once(child, "exit");
    child?.kill("SIGKILL");
    await exited;
    for (const each of await ended) {
      // Lanes end because the connection did, for no other reason.
      const code = each.status === "rejected" ? (each.reason.code ?? each.reason.cause?.code) : "none";
      expect(["ECONNRESET", "ECONNREFUSED", "EPIPE", "REQUEST_SEND_ERROR"]).toContain(code);
    }
    client.dispose();
  }
  expect(lanes.reduce((sum, lane) => sum + lane.told.n, 0)).toBeGreaterThanOrEqual(KILLS);
});
