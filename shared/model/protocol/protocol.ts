import type { Dialect } from "../dialect.ts";
import type { Endpoint } from "../endpoint.ts";
import type { Outcome } from "../outcome.ts";
import type { RequestAsk } from "../request-ask.ts";
import type { JsonObject } from "./json.ts";

/** What a protocol looks at of a deployment. */
export interface SpokenTo {
  /** By which the catalogue knows it; absent: it is no matter. */
  readonly name?: string;
  /** What is sent as the model's name. */
  readonly model: string;
  readonly dialect?: Dialect | undefined;
  /** The longest answer, where the catalogue says. */
  readonly max_output_tokens?: number | undefined;
}

/** What a request holds that a deployment cannot be told. */
export interface Unsayable {
  /** In a few words, as in `no logprobs`. */
  readonly why: string;
  /** The member of the request, as in `messages[2].content[0]`; absent: not one alone. */
  readonly param?: string;
}

/** A key, or an Entra token. */
export interface Credential {
  readonly kind: "api_key" | "entra";
  readonly value: string;
}

/** What a deployment answered, whole. */
export interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: string;
}

/** What an answer is read by besides itself. */
export interface Asked {
  readonly endpoint: Endpoint;
  readonly nowMs: number;
  /** Whose answer it is, and of which attempt: ids that the lab does not give are made of them. */
  readonly jobId: string;
  readonly attempt: number;
  /** What answers. */
  readonly deployment: string;
  /** The path it was fetched from, after an answer that was pending; absent: it came at once. */
  readonly ticket?: string;
}

/** One event of a streamed answer, in the words of the endpoint that was asked. */
export interface AnswerEvent {
  /** JSON. */
  readonly data: string;
  /** It holds nothing but the usage. */
  readonly isUsage: boolean;
}

/** An answer that is streamed, as far as it has come. */
export interface AnswerStream {
  /**
   * Takes more of its text, and answers the events that may be passed on by now: none before the first that says
   * something, for until then another deployment can be asked.
   */
  take(text: string): readonly AnswerEvent[];
  /** The JSON of the answer, as if it had not been streamed, or of the error in it; undefined: it broke off. */
  whole(): string | undefined;
}

/** The lab has taken the call, and will have its answer at a path below the deployment's `base_url`. */
export interface Pending {
  readonly kind: "pending";
  readonly path: string;
  readonly retryAfterMs: number | null;
}

/**
 * How a lab is spoken with: all that differs between labs' APIs and not between deployments of one. A deployment's
 * `protocol` names it; protocols.ts has the table. Every member is pure.
 */
export interface Protocol {
  /** Whether a chat completion has what its model thought as `thinking_blocks`, which the model takes back. */
  readonly signsThoughts: boolean;
  /** What a request asks for. @param body parses its JSON */
  readAsk(endpoint: Endpoint, body: () => unknown): RequestAsk;
  /** What is wrong with a dialect by itself, for the start's list of faults. */
  dialectFaults(dialect: Dialect): string[];
  /** Why a request cannot be put to a deployment; undefined: it can. @param body parses its JSON */
  unsayable(endpoint: Endpoint, body: () => unknown, deployment: SpokenTo): Unsayable | undefined;
  /**
   * The request as it is sent, one that is not `unsayable`: where the lab has the endpoint itself, the client's, byte
   * for byte, but for what must differ. What the client says of a stream is not the lab's business: whether one is
   * wanted now is.
   */
  bodyFor(endpoint: Endpoint, bodyText: string, deployment: SpokenTo, isStreamed: boolean): string;
  /** Where an endpoint's calls go, below the deployment's `base_url`. */
  pathOf(endpoint: Endpoint): string;
  /** Headers of each call. @param credential null: the deployment wants none */
  headersFor(credential: Credential | null): Readonly<Record<string, string>>;
  /** Reads an answer that is streamed. */
  readStream(asked: Asked): AnswerStream;
  /** What an answer means for the job, its usage and quota included, in the words of the endpoint that was asked. */
  outcomeOf(answer: Answer, asked: Asked): Outcome | Pending;
}

/** Another API's words for chat completions. Every member is pure. */
export interface ChatWords {
  readonly path: string;
  readonly signsThoughts: boolean;
  headersFor(credential: Credential | null): Readonly<Record<string, string>>;
  dialectFaults(dialect: Dialect): string[];
  /** A request in its words. @throws CannotSay */
  request(chat: JsonObject, deployment: SpokenTo, isStreamed: boolean): JsonObject;
  /** Its answer as a chat completion, its refusal in OpenAI's envelope, its headers by OpenAI's names. */
  answer(answer: Answer, asked: Asked): Answer;
  /** Its events as chunks of a chat completion; the whole stays in its own words. */
  readStream(asked: Asked): AnswerStream;
}

/** Thrown by a mapping of a request, and caught where one is tried: the two cannot come apart. */
export class CannotSay extends Error implements Unsayable {
  override readonly name = "CannotSay";
  readonly param: string;

  /** @param why as in `no logprobs` */
  constructor(param: string, why = `no ${param}`) {
    super(why);
    this.param = param;
  }

  get why(): string {
    return this.message;
  }
}

/**
 * What a mapping does not know is not dropped: whatever it asks for would be lost without a word.
 * @throws CannotSay for a member that is set, and none of these
 */
export function refuseOthers(of: JsonObject, names: readonly string[], param: string): void {
  const odd = Object.keys(of).find((name) => (of[name] ?? null) !== null && !names.includes(name));
  if (odd !== undefined) throw new CannotSay(`${param}.${odd}`);
}

/** Why a mapping cannot be made; undefined: it can. */
export function unsayableIn(mapping: () => unknown): Unsayable | undefined {
  try {
    mapping();
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof CannotSay)) throw thrown;
    return { why: thrown.why, param: thrown.param };
  }
}
