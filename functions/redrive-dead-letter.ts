import { deadLetterIdOf, redriveResource } from "../shared/http/api/dead-letters.ts";
import type { Authenticator } from "../shared/http/authenticate.ts";
import { type RedriveDeps, redrive } from "../shared/job/letters/redrive.ts";
import { operatorRoute } from "./http.ts";

/** POST /api/ops/dead-letters/{id}/redrive */
export function registerRedriveDeadLetter(
  deps: Omit<RedriveDeps, "log"> & { readonly authenticator: Authenticator },
): void {
  const options = {
    name: "redrive-dead-letter",
    method: "POST",
    route: "ops/dead-letters/{id}/redrive",
  } as const;
  operatorRoute(deps.authenticator, options, async (request, { actor }, { log }) => {
    const id = deadLetterIdOf(request.params.id ?? "");
    return { status: 202, jsonBody: redriveResource(id, await redrive({ ...deps, log }, id, actor)) };
  });
}
