import type { ControlRecord, ControlScope } from "../shared/audit/control-record.ts";
import { controlAuditQuery } from "../shared/http/api/control-audit.ts";
import type { Authenticator } from "../shared/http/authenticate.ts";
import { operatorRoute } from "./http.ts";

/** What the route reads; CosmosControlTrail has it. */
interface ControlRecords {
  records(
    scope: ControlScope,
    page: { readonly limit: number; readonly beforeSeq?: number | undefined },
  ): Promise<{ readonly records: readonly ControlRecord[]; readonly hasMore: boolean }>;
}

/** GET /api/ops/audit?scope=&limit=&before=, newest first: what operators changed. */
export function registerListControlAudit(deps: {
  readonly trail: ControlRecords;
  readonly authenticator: Authenticator;
}): void {
  const options = { name: "list-control-audit", method: "GET", route: "ops/audit" } as const;
  operatorRoute(deps.authenticator, options, async (request) => {
    const { scope, ...page } = controlAuditQuery(new URL(request.url).searchParams);
    const { records: data, hasMore } = await deps.trail.records(scope, page);
    const body = {
      object: "list",
      scope,
      data,
      first_seq: data.at(0)?.seq ?? null,
      last_seq: data.at(-1)?.seq ?? null,
      has_more: hasMore,
    };
    return { status: 200, jsonBody: body, headers: { "cache-control": "no-store" } };
  });
}
