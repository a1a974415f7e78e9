import { Problem } from "../shared/errors.ts";
import { deadLetterQuery, deadLetterResource } from "../shared/http/api/dead-letters.ts";
import { listOf } from "../shared/http/api/list.ts";
import type { Authenticator } from "../shared/http/authenticate.ts";
import type { DeadLetter, DeadLetters, JobStore } from "../shared/job/ports.ts";
import { operatorRoute } from "./http.ts";

/** GET /api/ops/dead-letters?tenant_id=&job_id=&redriven=&limit=&after=, newest first */
export function registerListDeadLetters(deps: {
  readonly deadLetters: DeadLetters;
  readonly store: Pick<JobStore, "read">;
  readonly authenticator: Authenticator;
}): void {
  const options = { name: "list-dead-letters", method: "GET", route: "ops/dead-letters" } as const;
  operatorRoute(deps.authenticator, options, async (request) => {
    const { after: afterId, ...filter } = deadLetterQuery(new URL(request.url).searchParams);
    const after = afterId === undefined ? undefined : await cursor(deps.deadLetters, afterId);
    const { letters, hasMore } = await deps.deadLetters.list({ ...filter, after });
    const data = await Promise.all(
      letters.map(async (letter) => deadLetterResource(letter, await statusOf(deps.store, letter))),
    );
    return { status: 200, jsonBody: listOf(data, hasMore), headers: { "cache-control": "no-store" } };
  });
}

async function statusOf(store: Pick<JobStore, "read">, { nudge }: DeadLetter) {
  return nudge === null ? null : ((await store.read(nudge))?.value.status ?? null);
}

async function cursor(deadLetters: DeadLetters, id: string): Promise<DeadLetter> {
  const letter = await deadLetters.read(id);
  if (letter !== undefined) return letter;
  throw new Problem("invalid_request", "`after` names no dead letter.", {
    faults: [{ path: "after", message: "must be the id of a letter, as in `last_id`" }],
  });
}
