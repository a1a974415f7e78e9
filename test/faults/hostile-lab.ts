import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { sha256Hex } from "../../shared/sha256.ts";
import type { CountedCall } from "./evidence.ts";
import { type Chances, chances } from "./seeded.ts";

/** Its lab, its model, and a route that asks it first. */
export const HOSTILE = { provider: "mallory", model: "mallory-sim", route: "mallory-first" } as const;

/** What one million of its tokens costs: a usage that is believed as it is told shows in the cost. */
const PRICE_PER_MILLION = 1;
/** More than any call of a campaign can use of it: its prompts are short, and its calls name `max_tokens`. */
export const MOST_COST = 0.5;

/** Its key, as the app is told it: no tenant ever sees it. */
export const HOSTILE_SETTINGS = { MALLORY_KEY: "mallory-secret-7d1f02b9" } as const;

/** Of the deployment, so that a call that is never answered ends within a campaign. */
const TIMEOUT_SECONDS = 3;
const LATE_MS = 2_000;
/** The second answer: after the first was read, while another request may be on the connection. */
const AGAIN_MS = [0, 5, 20, 50];
const CHUNK = "x".repeat(256 * 1024);
const HUGE_CHUNKS = 160;
const MANY_LEVELS = 100_000;
/** Its calls are numbered past those of the simulated labs. */
const FIRST_SEQ = 1_000_000_000;

/** A call, and what answers to it are made of. */
interface Asked {
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly credential: string;
  /** Whose request it is, as its prompt says. */
  readonly canary: string;
  readonly c: Chances;
}

type Json = Record<string, unknown>;

const LYING_HEADERS: readonly Record<string, string>[] = [
  { "x-ratelimit-remaining-tokens": "-99999999999", "x-ratelimit-limit-tokens": "1000" },
  { "x-ratelimit-limit-requests": "0.0000001", "x-ratelimit-remaining-requests": "0" },
  { "x-ratelimit-remaining-requests": "9".repeat(400), "x-ratelimit-limit-requests": "-1" },
  { "x-ratelimit-reset-tokens": "99999999d", "x-ratelimit-remaining-tokens": "0" },
  { "retry-after": "1e308", "x-ratelimit-reset-requests": "NaN" },
];

const LYING_USAGE: readonly Json[] = [
  { prompt_tokens: 1e15, completion_tokens: 1e15, total_tokens: 2e15 },
  { prompt_tokens: -5, completion_tokens: "many", total_tokens: null },
  { prompt_tokens: 0.5, completion_tokens: 1e308, prompt_tokens_details: { cached_tokens: 1e300 } },
  { prompt_tokens: [], completion_tokens: {}, cost: "1e99" },
];

const answerOf = ({ canary }: Asked, usage: unknown): Json => ({
  ...{ id: "x", object: "chat.completion", created: 1, model: HOSTILE.model, usage },
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: `canary ${canary}` } }],
});
const TRUE_USAGE = { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 };

function send({ response }: Asked, status: number, body: unknown, headers: Record<string, string> = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body));
}

/** What it does, with its weight; `status` is what its calls count as answered with. */
const DOINGS = {
  "lies in its headers": {
    ...{ weight: 4, status: 200 },
    act: (asked) => send(asked, 200, answerOf(asked, TRUE_USAGE), asked.c.pick(LYING_HEADERS)),
  },
  "lies in its usage": {
    ...{ weight: 4, status: 200 },
    act: (asked) => send(asked, 200, answerOf(asked, asked.c.pick(LYING_USAGE))),
  },
  "answers late": {
    ...{ weight: 3, status: 200 },
    act: async (asked) => {
      await sleep(LATE_MS);
      send(asked, 200, answerOf(asked, TRUE_USAGE));
    },
  },
  "answers twice": {
    ...{ weight: 6, status: 200 },
    act: async (asked) => {
      const body = JSON.stringify(answerOf(asked, TRUE_USAGE));
      send(asked, 200, body);
      await once(asked.response, "close");
      await sleep(asked.c.pick(AGAIN_MS));
      const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
      if (asked.socket.writable) asked.socket.write(`${head}\r\n\r\n${body}`);
    },
  },
  hangs: { weight: 1, status: null, act: () => undefined },
  "begins and hangs": {
    ...{ weight: 1, status: 200 },
    act: ({ response }) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"choices": [');
    },
  },
  "answers 40 MB": {
    ...{ weight: 1, status: 200 },
    act: async ({ response }) => {
      response.writeHead(200, { "content-type": "application/json" });
      const chunks = Array.from({ length: HUGE_CHUNKS }, () => CHUNK);
      // Its reader is to give up long before.
      await pipeline(Readable.from(chunks), response).catch(() => undefined);
    },
  },
  "nests its answer": {
    ...{ weight: 1, status: 200 },
    act: (asked) => {
      const nest = "[".repeat(MANY_LEVELS) + "]".repeat(MANY_LEVELS);
      send(asked, 200, `{"choices": [{"message": {"content": "x"}}], "x": ${nest}}`);
    },
  },
  "answers what is no text": {
    ...{ weight: 1, status: 200 },
    act: (asked) => send(asked, 200, Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x7d])),
  },
  "says that it is gzip": {
    ...{ weight: 1, status: 200 },
    act: (asked) => send(asked, 200, answerOf(asked, TRUE_USAGE), { "content-encoding": "gzip, gzip" }),
  },
  "asks to wait for a day": {
    ...{ weight: 1, status: 429 },
    act: (asked) => send(asked, 429, { error: { message: "later" } }, { "retry-after": "86400" }),
  },
  "repeats the key": {
    ...{ weight: 1, status: 401 },
    act: (asked) => send(asked, 401, { error: { message: `no such key: ${asked.credential}` } }),
  },
} as const satisfies Record<
  string,
  { weight: number; status: number | null; act: (asked: Asked) => void | Promise<void> }
>;
type Doing = keyof typeof DOINGS;

/** As calls have it for their fault. */
export const LAB_DOINGS = Object.keys(DOINGS) as Doing[];

/** Whose answer a text is, where the lab made it. */
export const canaryOf = (text: string): string | undefined => /canary \S+ of ([\w-]+)/.exec(text)?.[1];

/**
 * A lab that lies, answers twice, late, never, or with what harms its reader; honest tenants call it too. Each of its
 * answers says whose request it answers.
 */
export class HostileLab {
  readonly calls: CountedCall[] = [];
  readonly #server: Server;
  readonly #c: Chances;

  constructor(seed: number) {
    this.#c = chances(seed, "hostile lab");
    // It writes into connections that are closed, and its callers go away.
    this.#server = createServer((request, response) => {
      response.on("error", () => undefined);
      request.on("error", () => undefined);
      this.#take(request, response);
    });
    this.#server.on("clientError", (_, socket) => socket.destroy());
  }

  async start(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Of the catalogue. */
  get deployment() {
    return {
      ...{ name: "mallory-sim-local", provider: HOSTILE.provider, model: HOSTILE.model, simulated: true },
      base_url: `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`,
      auth: { kind: "api_key", setting: "MALLORY_KEY" },
      ...{ endpoints: ["/v1/chat/completions"], capabilities: [] },
      timeout_seconds: TIMEOUT_SECONDS,
      price: {
        currency: "USD",
        input_per_million: PRICE_PER_MILLION,
        output_per_million: PRICE_PER_MILLION,
      },
    };
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const named = LAB_DOINGS.find((doing) => text.includes(`[[mallory: ${doing}]]`));
      const does = named ?? this.#c.weighted(LAB_DOINGS.map((doing) => [DOINGS[doing].weight, doing]));
      const { status, act } = DOINGS[does];
      const header = (name: string) => String(request.headers[name] ?? "");
      this.calls.push({
        ...{ seq: FIRST_SEQ + this.calls.length, job: header("x-switchyard-job"), status, fault: does },
        ...{ attempt: header("x-switchyard-attempt"), request_sha256: sha256Hex(text) },
        ...{ input_tokens: 0, output_tokens: 0 },
      });
      const canary = /note (\S+ of [\w-]+):/.exec(text)?.[1] ?? "";
      const { socket } = request;
      const asked = { response, socket, credential: header("authorization"), canary, c: this.#c };
      void act(asked);
    });
  }
}
