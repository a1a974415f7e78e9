import type { Ask } from "../../budget/account.ts";
import { mostCostOf } from "../../model/bill.ts";
import type { Deployment } from "../../model/catalogue.ts";
import { protocolFor, readAsk } from "../../model/protocol/protocols.ts";
import type { RequestAsk } from "../../model/request-ask.ts";
import { admissionTokens } from "../../model/token-estimate.ts";
import { sha256Hex } from "../../sha256.ts";
import { isPassedOn, type Job, type StoredRequest } from "../job.ts";

/** The stored body, its hash and what it asks for; each worked out once, when first needed. */
export class PreparedRequest {
  readonly stored: StoredRequest;
  readonly #texts = new Map<string, { text: string; sha256: string }>();
  readonly ask: RequestAsk;
  /** Memory that it takes as long as its call runs, at most: the text as it is stored, and as it is sent. */
  readonly bytes: number;
  /** What a deployment counts for it when it lets it in, as far as that can be estimated. */
  readonly tokens: number;

  /** Whether a stream is asked for: its client reads it, here or in the job's event log. */
  readonly isStreamed: boolean;

  constructor(request: StoredRequest, job: Job) {
    this.stored = request;
    this.isStreamed = isPassedOn(job);
    this.bytes = 2 * request.body.length;
    this.ask = readAsk(job.endpoint, () => JSON.parse(request.body));
    this.tokens = admissionTokens(this.ask.tokens);
  }

  #prepared(deployment: Deployment): { text: string; sha256: string } {
    let prepared = this.#texts.get(deployment.name);
    if (prepared === undefined) {
      const text = protocolFor(deployment, this.ask.endpoint).bodyFor(
        this.ask.endpoint,
        this.stored.body,
        deployment,
        this.isStreamed,
      );
      prepared = { text, sha256: sha256Hex(text) };
      this.#texts.set(deployment.name, prepared);
    }
    return prepared;
  }

  textFor(deployment: Deployment): string {
    return this.#prepared(deployment).text;
  }

  sha256For(deployment: Deployment): string {
    return this.#prepared(deployment).sha256;
  }

  /** What is to be put aside for its call. */
  money(deployment: Deployment): Pick<Ask, "amount" | "unlimited"> {
    const { ask } = this;
    const amountFor = (answerTokens?: number) => mostCostOf(ask, deployment, answerTokens).amount;
    const isUnlimited = ask.tokens.outputTokensAsked === null && ask.tokens.answers > 0;
    const unlimited = { deployment: deployment.name, amountFor };
    return { amount: amountFor(), ...(isUnlimited ? { unlimited } : {}) };
  }
}
