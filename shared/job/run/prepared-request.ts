import type { Deployment } from "../../model/catalogue.ts";
import { costAtMost } from "../../model/cost.ts";
import { protocolOf, readAsk } from "../../model/protocol/protocols.ts";
import type { RequestAsk } from "../../model/request-ask.ts";
import { admissionTokens, outputTokensAtMost } from "../../model/token-estimate.ts";
import { sha256Hex } from "../../sha256.ts";
import type { Job, StoredRequest } from "../job.ts";

/** The stored body, its hash and what it asks for; each worked out once, when first needed. */
export class PreparedRequest {
  readonly stored: StoredRequest;
  readonly #texts = new Map<string, { text: string; sha256: string }>();
  readonly ask: RequestAsk;
  /** What a deployment counts for it when it lets it in, as far as that can be estimated. */
  readonly tokens: number;

  /** Whether a stream is asked for, where the client did. */
  readonly isStreamed: boolean;

  constructor(request: StoredRequest, job: Job, isStreamed = false) {
    this.stored = request;
    this.isStreamed = isStreamed;
    this.ask = readAsk(job.endpoint, JSON.parse(request.body));
    this.tokens = admissionTokens(this.ask.tokens);
  }

  #prepared(deployment: Deployment): { text: string; sha256: string } {
    let prepared = this.#texts.get(deployment.name);
    if (prepared === undefined) {
      const text = protocolOf(deployment).bodyFor(this.stored.body, deployment, this.isStreamed);
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

  /** What its call may cost: the prompt by its estimate, and the longest answer. Decimal. */
  costAtMost(deployment: Deployment): string {
    const { tokens, serviceTier, capabilities } = this.ask;
    const output = outputTokensAtMost(tokens, deployment.max_output_tokens);
    return costAtMost(
      { input: tokens.promptTokens, output, serviceTier },
      deployment.price,
      capabilities.has("audio"),
    ).amount;
  }
}
