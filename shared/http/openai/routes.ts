import type { Door } from "../door.ts";
import type { Route } from "../route.ts";
import { callRoutes } from "./calls.ts";
import { errorSchema, refusal, statusOf } from "./envelope.ts";
import { modelRoutes, type OpenaiModelsDeps } from "./models.ts";
import type { ResponseDeps } from "./responses/deps.ts";
import { responseRoutes } from "./responses/routes.ts";

/** The OpenAI door: what OpenAI's own SDKs say and understand. */
export const openaiDoor: Door = {
  prefixes: ["openai", "v1"],
  refusal,
  refusals: { type: "application/json", schema: errorSchema, statusOf },
};

/** What its handlers need, all together. */
export type OpenaiDeps = ResponseDeps & OpenaiModelsDeps;

export const openaiRoutes: readonly Route<OpenaiDeps>[] = [...callRoutes, ...responseRoutes, ...modelRoutes];
