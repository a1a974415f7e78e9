/**
 * The labs this server plays. Names, limits and speeds are plausible, not any real model's; only the shapes of
 * requests, answers and errors are the labs'.
 */
export const ENDPOINT_PATHS = [
  "/v1/chat/completions",
  "/v1/responses",
  "/v1/embeddings",
  "/v1/messages",
] as const;
export type EndpointPath = (typeof ENDPOINT_PATHS)[number];

/** The limits of one deployment, as Azure enforces them; see rate-limit.ts. */
export interface DeploymentLimits {
  readonly requestsPerMinute: number;
  readonly tokensPerMinute: number;
  /** Requests are counted over this window, 1 s or 10 s. */
  readonly windowSeconds: number;
  /** Tokens over this one; 60 where it is left out. */
  readonly tokensWindowSeconds?: number;
  /** `window` (where it is left out): so much in each window. `bucket`: flows back steadily, a window's worth at most. */
  readonly shape?: LimitShape;
  /** Whether a refused call uses up a request all the same. */
  readonly refusedCallsCount?: boolean;
  /** What others who share the quota take of it, 0 to below 1. */
  readonly strangerShare?: number;
  /** False: answers say nothing of the quota, refusals only Retry-After. */
  readonly headers?: boolean;
}

export const LIMIT_SHAPES = ["window", "bucket"] as const;
export type LimitShape = (typeof LIMIT_SHAPES)[number];

/** How fast a model is, before jitter. */
export interface Speed {
  readonly firstTokenMs: number;
  readonly promptTokensPerSecond: number;
  readonly outputTokensPerSecond: number;
}

export interface ModelProfile {
  /** The deployment's name, as clients ask for it in `model`. */
  readonly name: string;
  readonly endpoints: readonly EndpointPath[];
  readonly contextTokens: number;
  readonly maxOutputTokens: number;
  /** Whether it reasons before it answers, and if `usage` counts that inside the output tokens or beside them. */
  readonly reasoning: "none" | "inside" | "beside";
  readonly tools: boolean;
  readonly jsonSchema: boolean;
  readonly vision: boolean;
  /** Sampling parameters it refuses, whatever their value. */
  readonly refusedParameters: readonly string[];
  /** Length of an embedding model's vectors. */
  readonly dimensions?: number;
  readonly speed: Speed;
  /** Left out: unlimited. */
  readonly limits?: DeploymentLimits;
}

export interface LabProfile {
  /** First segment of the path: /openai/v1/... */
  readonly name: "openai" | "xai" | "deepseek" | "anthropic";
  readonly models: readonly ModelProfile[];
}

/** Enough for the demo and for a laptop full of jobs: 1,000 requests a second. */
const GENEROUS: DeploymentLimits = {
  requestsPerMinute: 60_000,
  tokensPerMinute: 120_000_000,
  windowSeconds: 10,
};

export const PROFILES: readonly LabProfile[] = [
  {
    name: "openai",
    models: [
      {
        name: "gpt-sim",
        endpoints: ["/v1/chat/completions", "/v1/responses"],
        contextTokens: 128_000,
        maxOutputTokens: 32_768,
        reasoning: "none",
        tools: true,
        jsonSchema: true,
        vision: true,
        refusedParameters: [],
        speed: { firstTokenMs: 420, promptTokensPerSecond: 8_000, outputTokensPerSecond: 110 },
        limits: GENEROUS,
      },
      {
        name: "embed-sim",
        endpoints: ["/v1/embeddings"],
        contextTokens: 8_192,
        maxOutputTokens: 0,
        reasoning: "none",
        tools: false,
        jsonSchema: false,
        vision: false,
        refusedParameters: [],
        dimensions: 1536,
        speed: { firstTokenMs: 60, promptTokensPerSecond: 40_000, outputTokensPerSecond: 1 },
        limits: GENEROUS,
      },
    ],
  },
  {
    name: "xai",
    models: [
      {
        name: "grok-sim",
        endpoints: ["/v1/chat/completions", "/v1/responses"],
        contextTokens: 256_000,
        maxOutputTokens: 64_000,
        reasoning: "beside",
        tools: true,
        jsonSchema: true,
        vision: true,
        // xAI's reasoning models: "Argument not supported on this model: presencePenalty" (n8n-io/n8n#14581).
        refusedParameters: ["presence_penalty", "frequency_penalty", "stop"],
        speed: { firstTokenMs: 650, promptTokensPerSecond: 10_000, outputTokensPerSecond: 130 },
        limits: GENEROUS,
      },
    ],
  },
  {
    name: "deepseek",
    models: [
      {
        name: "deepseek-sim",
        endpoints: ["/v1/chat/completions", "/v1/responses"],
        contextTokens: 128_000,
        maxOutputTokens: 32_768,
        reasoning: "inside",
        tools: false,
        jsonSchema: false,
        vision: false,
        refusedParameters: [],
        speed: { firstTokenMs: 900, promptTokensPerSecond: 6_000, outputTokensPerSecond: 70 },
        limits: GENEROUS,
      },
    ],
  },
  {
    name: "anthropic",
    models: [
      {
        name: "claude-sim",
        endpoints: ["/v1/messages"],
        contextTokens: 200_000,
        maxOutputTokens: 64_000,
        reasoning: "inside",
        tools: true,
        jsonSchema: true,
        vision: true,
        refusedParameters: [],
        speed: { firstTokenMs: 550, promptTokensPerSecond: 9_000, outputTokensPerSecond: 90 },
        limits: GENEROUS,
      },
    ],
  },
];

/** The same labs with these limits on every model; none: unlimited. */
export function withLimits(labs: readonly LabProfile[], limits?: DeploymentLimits): readonly LabProfile[] {
  return labs.map((lab) => ({
    ...lab,
    models: lab.models.map(({ limits: _own, ...model }) =>
      limits === undefined ? model : { ...model, limits },
    ),
  }));
}
