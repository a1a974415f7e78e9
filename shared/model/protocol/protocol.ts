import type { Dialect } from "../dialect.ts";
import type { Endpoint } from "../endpoint.ts";
import type { Outcome } from "../outcome.ts";
import type { RequestAsk } from "../request-ask.ts";

/** What a protocol looks at of a deployment. */
export interface SpokenTo {
  /** What is sent as the model's name. */
  readonly model: string;
  readonly dialect?: Dialect | undefined;
}

/** What a deployment answered, whole. */
export interface Answer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: string;
}

/** What an answer is judged by besides itself. */
export interface Asked {
  readonly endpoint: Endpoint;
  readonly nowMs: number;
  /** The path it was fetched from, after an answer that was pending; absent: it came at once. */
  readonly ticket?: string;
}

/** One event of a streamed answer, as it came. */
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
  /** What a request asks for. @param body parses its JSON */
  readAsk(endpoint: Endpoint, body: () => unknown): RequestAsk;
  /** What is wrong with a dialect by itself, for the start's list of faults. */
  dialectFaults(dialect: Dialect): string[];
  /** Why a request cannot be put to a deployment, in a few words; undefined: it can. @param body parses its JSON */
  unsayable(body: () => unknown, deployment: SpokenTo): string | undefined;
  /**
   * The request as it is sent, one that is not `unsayable`: the client's, byte for byte, but for what must differ. What
   * the client says of a stream is not the lab's business: whether one is wanted now is.
   */
  bodyFor(bodyText: string, deployment: SpokenTo, isStreamed: boolean): string;
  /** Where an endpoint's calls go, below the deployment's `base_url`. */
  pathOf(endpoint: Endpoint): string;
  /** Headers of each call. @param credential a key or an Entra token; null: the deployment wants none */
  headersFor(credential: string | null): Readonly<Record<string, string>>;
  /** Reads an answer that is streamed. */
  readStream(): AnswerStream;
  /** What an answer means for the job, its usage and quota included. */
  outcomeOf(answer: Answer, asked: Asked): Outcome | Pending;
}
