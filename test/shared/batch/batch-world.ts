import { type OpenAI, toFile } from "openai";
import type { BatchTurn, BatchTurns } from "../../../shared/batch/ports.ts";
import { takeTurn } from "../../../shared/batch/turn.ts";
import type { TurnDeps } from "../../../shared/batch/turn-state.ts";
import { readJson } from "../../../shared/http/json-text.ts";
import { failureOf } from "../../../shared/http/openai/failure.ts";
import type { JobKey } from "../../../shared/store.ts";
import { clientOver, doorOver } from "../../openai/fetched-door.ts";
import { answer, completion } from "../labs.ts";
import { type Instance, silent, World } from "../world.ts";

export interface Line {
  readonly custom_id: string;
  readonly model?: string;
  readonly says?: string;
}

export const lineOf = ({ custom_id, model = "openai-one-model", says = "Hi" }: Line) => ({
  ...{ custom_id, method: "POST", url: "/v1/chat/completions" },
  body: { model, messages: [{ role: "user", content: says }] },
});
export const jsonl = (lines: readonly object[]) => lines.map((line) => JSON.stringify(line)).join("\n");

/** Jobs begun together: the store answers within its time then, however slow the machine is. */
const AT_ONCE = 64;

/** A result as it stands in a file. */
export interface Result {
  readonly custom_id: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a service answers is for the test to say
  readonly response: any;
  readonly error: { readonly code: string } | null;
}

/** The service with two labs, the door with OpenAI's SDK, and messages that are delivered as the clock is turned. */
export class BatchWorld {
  readonly world: World;
  /** Both doors. */
  readonly door: typeof fetch;
  readonly client: OpenAI;
  readonly other: OpenAI;
  readonly instance: Instance;
  readonly turns: { readonly turn: BatchTurn; readonly atMs: number }[] = [];
  readonly failures: unknown[] = [];
  /** Of the ports that a turn has. */
  change: Partial<TurnDeps> = {};
  /** Jobs wait in the line as long as this holds. */
  holdsLine = false;
  /** Nudges of these are lost. */
  holds: (job: JobKey) => boolean = () => false;

  #keys = 0;

  private constructor(world: World) {
    this.world = world;
    const turns: BatchTurns = {
      send: async (turn, atMs = 0) => void this.turns.push({ turn, atMs }),
    };
    world.turns = turns;
    const door = doorOver(world, "door");
    this.door = door;
    this.client = clientOver(door);
    this.other = clientOver(door, "team-b");
    this.instance = world.instance("worker");
  }

  static async open(): Promise<BatchWorld> {
    const world = await World.open({ settings: { maxDeadlineSeconds: 604_800 } });
    const { labs } = world;
    for (const lab of ["openai-one", "xai-two"])
      labs.reply(lab, (call) => {
        const isBad = call.body.includes('"bad"');
        const refusal = {
          error: { message: "no such thing", type: "invalid_request_error", param: "messages" },
        };
        (isBad ? answer(400, refusal) : answer(200, completion(lab)))(call);
      });
    return new BatchWorld(world);
  }

  async upload(content: string | Buffer): Promise<string> {
    return (
      await this.client.files.create({
        file: await toFile(Buffer.from(content), "in.jsonl"),
        purpose: "batch",
      })
    ).id;
  }

  async create(lines: readonly Line[], more: Partial<OpenAI.BatchCreateParams> = {}): Promise<OpenAI.Batch> {
    const input_file_id = await this.upload(jsonl(lines.map(lineOf)));
    return this.client.batches.create({
      ...{ input_file_id, endpoint: "/v1/chat/completions", completion_window: "24h", ...more },
    });
  }

  /** What is due now is begun; none of it is waited for. */
  deliver(): void {
    const { nudges, releases, clock } = this.world;
    const nowMs = clock.now();
    const due = this.turns.filter(({ atMs }) => atMs <= nowMs);
    this.turns.splice(0, this.turns.length, ...this.turns.filter((each) => !due.includes(each)));
    const deps = {
      ...this.instance.service.batchTurn,
      readText: readJson,
      failureOf,
      log: silent,
      ...this.change,
    };
    const began = [
      ...due.map(({ turn }) => this.instance.service.invocation(() => takeTurn(deps, turn))),
      ...(this.holdsLine ? [] : [...releases.take(nowMs, AT_ONCE), ...nudges.take(nowMs, AT_ONCE)])
        .filter((nudge) => !this.holds(nudge))
        .map((nudge) => this.instance.run(nudge)),
    ];
    for (const each of began) each.catch((thrown: unknown) => this.failures.push(thrown));
  }

  async until(id: string, isSo: (batch: OpenAI.Batch) => boolean, stepMs = 25): Promise<OpenAI.Batch> {
    let batch = await this.client.batches.retrieve(id);
    await this.world.turnUntil(async () => {
      this.deliver();
      batch = await this.client.batches.retrieve(id);
      return isSo(batch);
    }, stepMs);
    return batch;
  }

  ended(id: string, stepMs?: number): Promise<OpenAI.Batch> {
    return this.until(
      id,
      ({ status }) => ["completed", "failed", "expired", "cancelled"].includes(status),
      stepMs,
    );
  }

  async results(fileId: string | null | undefined): Promise<Result[]> {
    if (fileId == null) return [];
    const text = await (await this.client.files.content(fileId)).text();
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  }

  /** A request at the native door. */
  async native(
    path: string,
    body?: object | "POST",
    tenant = "team-a",
    // biome-ignore lint/suspicious/noExplicitAny: what a service answers is for the test to say
  ): Promise<{ status: number; json: any }> {
    const answered = await this.door(`http://door/api/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...{ authorization: `Bearer ${tenant}`, "content-type": "application/json" },
        // Ids of jobs without a key are no ids as clients know them in these worlds.
        ...(path === "jobs" ? { "idempotency-key": `key ${++this.#keys}` } : {}),
      },
      ...(typeof body === "object" ? { body: JSON.stringify(body) } : {}),
    });
    return { status: answered.status, json: await answered.json() };
  }

  /** Lines of both files, and that each `custom_id` is in exactly one of them. */
  async both(batch: OpenAI.Batch): Promise<{ output: Result[]; errors: Result[]; ids: string[] }> {
    const output = await this.results(batch.output_file_id);
    const errors = await this.results(batch.error_file_id);
    return { output, errors, ids: [...output, ...errors].map(({ custom_id }) => custom_id).sort() };
  }
}
