import { CONTROL_SCOPES, type ControlScope } from "../../audit/control-record.ts";
import { DEFAULT_LIST_LIMIT } from "../../limits.ts";
import { checkLimit, checkQuery, type ParameterChecks } from "./parameters.ts";

const isScope = (text: string | null): text is ControlScope =>
  text !== null && (CONTROL_SCOPES as readonly string[]).includes(text);

const PARAMETERS: ParameterChecks = {
  scope: (value) => (isScope(value) ? undefined : `must be one of ${CONTROL_SCOPES.join(", ")}`),
  limit: checkLimit,
  before: (value) =>
    /^[1-9]\d{0,8}$/.test(value) ? undefined : "must be the number of a record, as in `last_seq`",
};

/** The scope read where none is named. */
export const DEFAULT_SCOPE: ControlScope = "switches";

export interface ControlAuditQuery {
  readonly scope: ControlScope;
  readonly limit: number;
  /** Only records before this one. */
  readonly beforeSeq: number | undefined;
}

/** The query of GET /api/ops/audit. @throws Problem invalid_request, with every fault */
export function controlAuditQuery(query: URLSearchParams): ControlAuditQuery {
  checkQuery(query, PARAMETERS);
  const scope = query.get("scope");
  const before = query.get("before");
  return {
    scope: isScope(scope) ? scope : DEFAULT_SCOPE,
    limit: Number(query.get("limit") ?? DEFAULT_LIST_LIMIT),
    beforeSeq: before === null ? undefined : Number(before),
  };
}
