/**
 * The names of OpenTelemetry's conventions for generative AI, which are still under development (2026-10): they are
 * here and nowhere else.
 */
export const GEN_AI = {
  operation: "gen_ai.operation.name",
  provider: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  finishReasons: "gen_ai.response.finish_reasons",
  inputTokens: "gen_ai.usage.input_tokens",
  outputTokens: "gen_ai.usage.output_tokens",
  cachedTokens: "gen_ai.usage.cache_read.input_tokens",
  reasoningTokens: "gen_ai.usage.reasoning.output_tokens",
  tokenType: "gen_ai.token.type",
} as const;

/** The conventions' names of labs, where they are not the catalogue's. */
const PROVIDERS: Readonly<Record<string, string>> = {
  xai: "x_ai",
  mistral: "mistral_ai",
  moonshot: "moonshot_ai",
};
export const providerName = (provider: string): string => PROVIDERS[provider] ?? provider;

export const operationName = (endpoint: string): string =>
  endpoint.endsWith("/embeddings") ? "embeddings" : "chat";

/** Buckets in seconds: a job may take a day. */
const SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1_800, 3_600, 14_400, 43_200, 86_400];
const TOKENS = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576];

/** Counters have no buckets. */
export const METRICS = {
  "switchyard.jobs.accepted": { unit: "{job}" },
  "switchyard.jobs.ended": { unit: "{job}" },
  "switchyard.job.duration": { unit: "s", buckets: SECONDS },
  "switchyard.waits": { unit: "{wait}" },
  "switchyard.wait.duration": { unit: "s", buckets: SECONDS },
  "switchyard.calls": { unit: "{call}" },
  "switchyard.cost": { unit: "{currency}" },
  "gen_ai.client.operation.duration": { unit: "s", buckets: SECONDS },
  "gen_ai.client.token.usage": { unit: "{token}", buckets: TOKENS },
  "switchyard.cosmos.request_units": { unit: "{request_unit}" },
  "switchyard.cosmos.throttled": { unit: "{request}" },
} as const satisfies Record<string, { unit: string; buckets?: readonly number[] }>;
export type MetricName = keyof typeof METRICS;
