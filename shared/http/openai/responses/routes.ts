import type { Route } from "../../route.ts";
import { atPaths } from "../paths.ts";
import { countInputTokens, createResponse } from "./create.ts";
import type { ResponseDeps } from "./deps.ts";
import { storedRoutes } from "./stored.ts";

export const responseRoutes: readonly Route<ResponseDeps>[] = [
  createResponse,
  countInputTokens,
  ...storedRoutes,
].flatMap((each) => atPaths(each, { azure: `openai/${each.path}` }));
