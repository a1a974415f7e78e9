import type { Capability } from "./capability.ts";
import type { Endpoint } from "./endpoint.ts";
import type { TokenEstimate } from "./token-estimate.ts";

/** What a request asks of a deployment: read once from its body. */
export interface RequestAsk {
  readonly endpoint: Endpoint;
  readonly capabilities: ReadonlySet<Capability>;
  readonly tokens: TokenEstimate;
  /** No tokenizer makes more of its prompt; null: parts of that lie elsewhere. */
  readonly promptTokensAtMost: number | null;
  /** The service tier it asks for; undefined: the ordinary one. */
  readonly serviceTier: string | undefined;
  /** Parses the body anew, for what only a dialect needs of it: kept, it would take many times its bytes of memory. */
  readonly body: () => unknown;
}
