/** The OpenAI endpoints a job can be for. */
export const ENDPOINTS = ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"] as const;
export type Endpoint = (typeof ENDPOINTS)[number];
