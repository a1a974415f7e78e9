import { setTimeout as sleep } from "node:timers/promises";
import { Agent, type Dispatcher, request } from "undici";
import { hasEnded, type Status } from "../../shared/status.ts";
import {
  type BackgroundCall,
  type BackgroundWish,
  backgroundCall,
  followedAgain,
} from "./background-client.ts";
import { type BatchWish, batchCall, seenAgain } from "./batch-client.ts";
import type { HeldCall, SeenBatch, Sighting, Submission, SubmitAnswer, ToldEnd } from "./evidence.ts";
import { type HeldWish, heldCall } from "./held-client.ts";

/** What a client wants done: the job, and what it does about it later. */
export interface Wish {
  readonly label: string;
  readonly tenant: "team-a" | "team-b";
  readonly key: string | null;
  readonly body: object;
  readonly deadlineSeconds?: number;
  readonly notBeforeSeconds?: number;
  /** After so many ms, from the 202 on. */
  readonly cancelAfterMs?: number;
  readonly deleteAfterEnd?: boolean;
  /** See `Submission`. */
  readonly mustComplete?: boolean;
  /** Through the OpenAI door, where its client waits for the answer; of what follows nothing is done then. */
  readonly held?: HeldWish;
  /** A batch in the place of the job. */
  readonly batch?: BatchWish;
  /** In the background through that door, its stream taken up again; of what follows nothing is done then. */
  readonly background?: BackgroundWish;
  /** The same submit again, after so many ms. */
  readonly repeatAfterMs?: readonly number[];
}

interface Told {
  readonly status: number | null;
  readonly json: Record<string, unknown> | undefined;
}

const ANSWER_PATIENCE_MS = 8_000;
/** After an answer that never came: doubled with each in a row, for hundreds of clients would keep hosts from starting. */
const RETRY_MS = 300;
const MAX_RETRY_MS = 2_000;
const retryMs = (unanswered: number) => Math.min(RETRY_MS * 2 ** unanswered, MAX_RETRY_MS);
const WAIT_SECONDS = 3;
/** A client with a key goes on submitting until it is told 202 or a refusal; an outage ends before that. */
const SUBMIT_PATIENCE_MS = 90_000;
/** A call that hangs waits for its cancel: one that was lost is asked for again. */
const CANCEL_TRIES = 20;
const JOB_PATIENCE_MS = 180_000;

/** A client that keeps what it is told. It asks over a new connection each time, so that any host may answer. */
export class RecordingClient {
  readonly submissions: Submission[] = [];
  readonly sightings: Sighting[] = [];
  readonly promises: ToldEnd[] = [];
  readonly held: HeldCall[] = [];
  readonly #batches: { readonly tenant: string; readonly seen: SeenBatch }[] = [];
  readonly #background: { readonly tenant: string; readonly seen: BackgroundCall }[] = [];
  /** How long each accepted job took, ms. */
  readonly latencies: number[] = [];
  readonly #url: string;
  readonly #jobPatienceMs: number;
  readonly #agent = new Agent({ connections: null, keepAliveTimeout: 1, pipelining: 1 });
  #turn = 0;

  constructor(url: string, jobPatienceMs = JOB_PATIENCE_MS) {
    this.#url = url;
    this.#jobPatienceMs = jobPatienceMs;
  }

  /** Now, by the count that sightings are told in. */
  now(): number {
    return this.#turn++;
  }

  /** Jobs that were answered 202. */
  get accepted(): number {
    return this.submissions.filter(({ answers }) => answers.some(({ status }) => status === 202)).length;
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** The batches as they are told now that all is quiet: some were longer under way than their client waited. */
  batches(): Promise<SeenBatch[]> {
    return Promise.all(
      this.#batches.map(({ tenant, seen }) =>
        seen.end !== null && seen.output !== null && seen.errors !== null
          ? seen
          : seenAgain(this.#url, tenant, seen, this.#jobPatienceMs),
      ),
    );
  }

  /** Background responses, followed to their end now that all is quiet. */
  background(): Promise<BackgroundCall[]> {
    return Promise.all(
      this.#background.map(({ tenant, seen }) =>
        seen.read === undefined ? followedAgain(this.#url, tenant, seen, this.#jobPatienceMs) : seen,
      ),
    );
  }

  /** Submits a job and stays with it to its end, or to the end of patience. */
  async see(wish: Wish): Promise<void> {
    if (wish.held !== undefined) {
      this.held.push(await heldCall(this.#url, wish, wish.held, () => this.#turn++));
      return;
    }
    if (wish.batch !== undefined) {
      const seen = await batchCall(this.#url, wish, wish.batch, this.#jobPatienceMs);
      this.#batches.push({ tenant: wish.tenant, seen });
      return;
    }
    if (wish.background !== undefined) {
      const seen = await backgroundCall(this.#url, wish, wish.background, this.#jobPatienceMs);
      this.#background.push({ tenant: wish.tenant, seen });
      return;
    }
    const answers: SubmitAnswer[] = [];
    const { label, tenant, key, mustComplete = false } = wish;
    this.submissions.push({ label, tenant, key, answers, mustComplete });
    const envelope = envelopeOf(wish);
    const id = await this.#submit(wish, envelope, answers);
    if (id === null) return;
    const startedAt = performance.now();
    const others = [
      ...(wish.repeatAfterMs ?? []).map((ms) => sleep(ms).then(() => this.#once(wish, envelope, answers))),
      ...(wish.cancelAfterMs === undefined
        ? []
        : [sleep(wish.cancelAfterMs).then(() => this.#cancel(wish, id))]),
    ];
    const ended = await this.#follow(wish, id);
    await Promise.all(others);
    if (!ended) return;
    this.latencies.push(performance.now() - startedAt);
    if (wish.deleteAfterEnd === true) await this.#delete(wish, id);
    await this.look(wish.tenant, id);
  }

  async #submit(wish: Wish, envelope: string, answers: SubmitAnswer[]): Promise<string | null> {
    const end = performance.now() + SUBMIT_PATIENCE_MS;
    for (let tries = 0; ; tries++) {
      const { status, jobId } = await this.#once(wish, envelope, answers);
      if (status === 202) return jobId;
      // Without a key a second try would be a second job; a refusal stays one.
      if (wish.key === null || (status !== null && status < 500) || performance.now() > end) return null;
      await sleep(retryMs(tries));
    }
  }

  async #once(wish: Wish, envelope: string, answers: SubmitAnswer[]): Promise<SubmitAnswer> {
    const asked = this.#turn++;
    const { status, json } = await this.#ask(wish.tenant, "POST", "/api/jobs", {
      body: envelope,
      headers: wish.key === null ? {} : { "idempotency-key": wish.key },
    });
    const answer = { status, jobId: status === 202 && typeof json?.id === "string" ? json.id : null };
    answers.push(answer);
    if (answer.jobId !== null) this.#saw(answer.jobId, json, asked);
    return answer;
  }

  async #follow(wish: Wish, id: string): Promise<boolean> {
    const end = performance.now() + this.#jobPatienceMs;
    let unanswered = 0;
    while (performance.now() < end) {
      const status = await this.look(wish.tenant, id, WAIT_SECONDS);
      if (status !== null && status !== "absent" && hasEnded(status)) return true;
      if (status === null) await sleep(retryMs(unanswered++));
      else unanswered = 0;
    }
    return false;
  }

  /** The job's status as the service tells it now; null where it tells nothing. */
  async look(tenant: Wish["tenant"], id: string, waitSeconds = 0): Promise<Status | "absent" | null> {
    const headers = waitSeconds === 0 ? {} : { prefer: `wait=${waitSeconds}` };
    const asked = this.#turn++;
    const { status, json } = await this.#ask(tenant, "GET", `/api/jobs/${id}`, { headers });
    if (status === 404) {
      this.sightings.push({ jobId: id, status: "absent", asked, answered: this.#turn++ });
      return "absent";
    }
    return status === 200 ? this.#saw(id, json, asked) : null;
  }

  #saw(jobId: string, json: Record<string, unknown> | undefined, asked: number): Status {
    const status = json?.status as Status;
    const hasResponse = (json?.response ?? null) !== null;
    this.sightings.push({ jobId, status, hasResponse, asked, answered: this.#turn++ });
    return status;
  }

  async #cancel(wish: Wish, id: string): Promise<void> {
    for (let tries = 0; tries < CANCEL_TRIES; tries++) {
      const asked = this.#turn++;
      const { status, json } = await this.#ask(wish.tenant, "POST", `/api/jobs/${id}/cancel`);
      this.promises.push({ jobId: id, action: "cancel", status });
      if (status === 200) this.#saw(id, json, asked);
      if (status !== null && status < 500) return;
      await sleep(retryMs(tries));
    }
  }

  async #delete(wish: Wish, id: string): Promise<void> {
    const { status } = await this.#ask(wish.tenant, "DELETE", `/api/jobs/${id}`);
    this.promises.push({ jobId: id, action: "delete", status });
  }

  async #ask(
    tenant: Wish["tenant"],
    method: Dispatcher.HttpMethod,
    path: string,
    more: { body?: string; headers?: Record<string, string> } = {},
  ): Promise<Told> {
    try {
      const answer = await request(`${this.#url}${path}`, {
        method,
        dispatcher: this.#agent,
        reset: true,
        headers: {
          authorization: `Bearer local-${tenant}`,
          ...(more.body === undefined ? {} : { "content-type": "application/json" }),
          ...more.headers,
        },
        body: more.body ?? null,
        signal: AbortSignal.timeout(ANSWER_PATIENCE_MS),
      });
      const text = await answer.body.text();
      const json = text === "" ? undefined : (JSON.parse(text) as Record<string, unknown>);
      return { status: answer.statusCode, json };
    } catch {
      // A host that died, or froze, in the middle: the client was told nothing, and keeps just that.
      return { status: null, json: undefined };
    }
  }
}

/** Made once: a repeated submit is the same to the byte. */
function envelopeOf(wish: Wish): string {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const at = (seconds: number | undefined) => (seconds === undefined ? undefined : nowSeconds + seconds);
  return JSON.stringify({
    body: wish.body,
    metadata: { label: wish.label },
    deadline: at(wish.deadlineSeconds),
    not_before: at(wish.notBeforeSeconds),
  });
}
