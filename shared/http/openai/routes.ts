import type { Door } from "../door.ts";
import type { Route } from "../route.ts";
import { type BatchRoutesDeps, batchRoutes } from "./batches.ts";
import { callRoutes } from "./calls.ts";
import { errorSchema, refusal, statusOf } from "./envelope.ts";
import { type FilesDeps, fileRoutes } from "./files.ts";
import { modelRoutes, type OpenaiModelsDeps } from "./models.ts";
import type { ResponseDeps } from "./responses/deps.ts";
import { responseRoutes } from "./responses/routes.ts";
import { type WebhookRoutesDeps, webhookRoutes } from "./webhooks.ts";

/** The OpenAI door: what OpenAI's own SDKs say and understand. */
export const openaiDoor: Door = {
  prefixes: ["openai", "v1"],
  hasEtags: false,
  refusal,
  refusals: { type: "application/json", schema: errorSchema, statusOf },
};

/** What its handlers need, all together. */
export type OpenaiDeps = ResponseDeps & FilesDeps & BatchRoutesDeps & OpenaiModelsDeps & WebhookRoutesDeps;

export const openaiRoutes: readonly Route<OpenaiDeps>[] = [
  ...callRoutes,
  ...fileRoutes,
  ...batchRoutes,
  ...responseRoutes,
  ...modelRoutes,
  ...webhookRoutes,
];
