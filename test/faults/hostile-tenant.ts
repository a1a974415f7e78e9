import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { sha256Hex } from "../../shared/sha256.ts";
import { HOSTILE } from "./hostile-lab.ts";
import { type Chances, chances } from "./seeded.ts";

export const HOSTILE_TENANT = "mallory";
const KEY = `local-${HOSTILE_TENANT}`;
export const HOSTILE_KEY_SHA256 = sha256Hex(KEY);

/** Everything that it submits ends within a campaign. */
const DEADLINE_SECONDS = 12;
const AT_ONCE = 4;
const PAUSE_MS = 150;
const PATIENCE_MS = 5_000;
/** It leaves this soon, and asks again. */
const DROPPED_MS = 50;
const MANY = 24;
const OVER_THE_LIMIT_BYTES = 12_000_000;
const LARGE_BYTES = 700_000;
const MANY_VALUES = 200_000;
const MANY_LEVELS = 50_000;

const POISON: readonly (string | Buffer)[] = [
  "[".repeat(MANY_LEVELS) + "]".repeat(MANY_LEVELS),
  `{"body": {"model": "gpt-sim", "messages": [], "x": [${"[],".repeat(MANY_VALUES)}[]]}}`,
  '{"body": {"model": "gpt-sim", "messages": [], "temperature": 1e400}}',
  '{"body": {"model": "gpt-sim", "messages": [{"role": "user", "content": "\\ud800"}]}}',
  '{"body": {"model": "gpt-sim", "__proto__": {"stream": true}, "messages": []}, "metadata": {"__proto__": "x"}}',
  '{"body": {"model": "gpt-sim", "messages": [], "stream": "true", "background": 1}}',
  '{"body": {"model": "gpt-sim", "messages": [], "reasoning_effort": {"toString": 1}}}',
  '{"body": {"model": "gpt-sim", "messages": []}, "deadline": -1, "not_before": 1e300}',
  Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  "",
];

/** A user's token that no issuer of this service has made. */
const FORGED = `${Buffer.from('{"alg":"RS256","kid":"nobody"}').toString("base64url")}.${Buffer.from(
  '{"iss":"https://nobody.example","appid":"x"}',
).toString("base64url")}.AAAA`;

interface Ask {
  readonly method?: "GET" | "POST";
  readonly body?: string | Buffer;
  readonly key?: string;
  readonly headers?: Record<string, string>;
  readonly patienceMs?: number;
}

/**
 * A tenant that asks for all it can think of to keep others from their work: it holds a valid key, and calls the API
 * alone. What it has been told is nobody's to judge; the checker looks at what became of the others, and at its jobs
 * as at any.
 */
export class HostileTenant {
  readonly #url: string;
  readonly #c: Chances;
  readonly #done: (doing: string) => void;
  readonly #agent = new Agent({ connections: null, keepAliveTimeout: 1, pipelining: 1 });
  readonly #end = new AbortController();
  #n = 0;

  /** @param done told of each thing that it has done */
  constructor(url: string, seed: number, done: (doing: string) => void) {
    this.#url = url;
    this.#c = chances(seed, "hostile tenant");
    this.#done = done;
  }

  /** Resolves once `stop` was called, and its last requests are over. */
  async run(): Promise<void> {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (!this.#end.signal.aborted) {
          const doing = this.#c.weighted(TENANT_DOINGS.map((each) => [DOINGS[each].weight, each]));
          await DOINGS[doing].act(this);
          this.#done(tenantDoing(doing));
          await sleep(PAUSE_MS);
        }
      }),
    );
    await this.#agent.destroy();
  }

  stop(): void {
    this.#end.abort();
  }

  /** The id of the job, where there is one. */
  async submit(prompt: string, more: { model?: string; envelope?: object; body?: object } = {}) {
    const label = `${HOSTILE_TENANT}-${this.#n++}`;
    const { model = "gpt-sim", envelope, body } = more;
    const content = `${prompt} Summarise note ${label} of ${HOSTILE_TENANT}: it rained.`;
    const text = JSON.stringify({
      body: { model, messages: [{ role: "user", content }], ...body },
      metadata: { label },
      deadline: this.seconds(DEADLINE_SECONDS),
      ...envelope,
    });
    return this.ask("/api/jobs", { body: text });
  }

  seconds = (ahead: number) => Math.floor(Date.now() / 1000) + ahead;

  get poison(): string | Buffer {
    return this.#c.pick(POISON);
  }

  /** The id in what it was answered. A host that is killed or frozen answers nothing. */
  async ask(path: string, { method, body, key = KEY, headers, patienceMs = PATIENCE_MS }: Ask = {}) {
    try {
      const answer = await request(`${this.#url}${path}`, {
        method: method ?? (body === undefined ? "GET" : "POST"),
        dispatcher: this.#agent,
        reset: true,
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
        body: body ?? null,
        signal: AbortSignal.timeout(patienceMs),
      });
      return /"id":\s*"(job_\w+)"/.exec(await answer.body.text())?.[1];
    } catch {
      return undefined;
    }
  }
}

const times = (act: () => Promise<unknown>) => Promise.all(Array.from({ length: MANY }, act));

/** What it does, with its weight. */
const DOINGS = {
  "a body over the limit": {
    weight: 1,
    act: (t) => t.ask("/api/jobs", { body: " ".repeat(OVER_THE_LIMIT_BYTES) }),
  },
  "a large body": { weight: 1, act: (t) => t.submit("x".repeat(LARGE_BYTES)) },
  "a poison body": { weight: 6, act: (t) => t.ask("/api/jobs", { body: t.poison }) },
  "jobs of no tokens": {
    weight: 3,
    act: (t) =>
      t.submit("", { envelope: { endpoint: "/v1/embeddings", body: { model: "embed-sim", input: [] } } }),
  },
  "an unknown model": { weight: 4, act: (t) => t.submit("", { model: "no-such-model" }) },
  "a flood of waits that it drops": {
    weight: 2,
    act: async (t) => {
      const id = await t.submit("[[sim:latency_ms=6000]]");
      const headers = { prefer: "wait=60" };
      await times(() => t.ask(`/api/jobs/${id}`, { headers, patienceMs: DROPPED_MS }));
    },
  },
  "calls that hang": { weight: 4, act: (t) => t.submit("[[sim:hang]]") },
  "calls that fail": { weight: 6, act: (t) => t.submit("[[sim:status=500,times=20]]") },
  "calls that it cancels": {
    weight: 3,
    act: async (t) => {
      const id = await t.submit("[[sim:latency_ms=2500]]");
      await t.ask(`/api/jobs/${id}/cancel`, { method: "POST" });
    },
  },
  "many jobs for one moment": {
    weight: 1,
    act: (t) => {
      const envelope = { not_before: t.seconds(3) };
      return times(() => t.submit("", { envelope }));
    },
  },
  "forged tokens": {
    weight: 2,
    act: (t) => times(() => t.ask("/api/jobs", { key: FORGED })),
  },
  "jobs for the hostile lab": { weight: 6, act: (t) => t.submit("", { model: HOSTILE.model }) },
} as const satisfies Record<string, { weight: number; act: (t: HostileTenant) => Promise<unknown> }>;

const TENANT_DOINGS = Object.keys(DOINGS) as (keyof typeof DOINGS)[];
const tenantDoing = (doing: string) => `a tenant: ${doing}`;

/** As the tally calls them. */
export const TENANT_KINDS = TENANT_DOINGS.map(tenantDoing);
