/** Which jobs a person wants to see, as the URL has it. Empty: any. */
export interface JobFilter {
  readonly status: string;
  readonly model: string;
  /** For operators. */
  readonly tenant: string;
  /** For tenants: a batch or a group of jobs. */
  readonly batch: string;
  /** For tenants, `name=value`. */
  readonly metadata: string;
  /** For tenants: a key of AGES. */
  readonly made: string;
}

/** Seconds back from now. */
export const AGES: Readonly<Record<string, number>> = {
  "in the last hour": 3_600,
  "in the last day": 86_400,
  "in the last 7 days": 604_800,
};

type Parameters = Readonly<Record<string, string | undefined>>;

/** What the list of jobs is asked for. @param nowSeconds when the filter was chosen */
export function listParameters(filter: JobFilter, isOperator: boolean, nowSeconds: number): Parameters {
  const { status, model, tenant, batch } = filter;
  if (isOperator) return { status, model, tenant };
  const age = AGES[filter.made];
  const pair = metadataPair(filter.metadata);
  return {
    ...{ status, model, batch_id: batch },
    created_after: age === undefined ? undefined : String(Math.floor(nowSeconds - age)),
    ...(pair && { [`metadata.${pair[0]}`]: pair[1] }),
  };
}

/** Name and value; undefined while it is not of the form `name=value`. */
export function metadataPair(text: string): readonly [string, string] | undefined {
  const at = text.indexOf("=");
  return at < 1 ? undefined : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

/**
 * The body of the cancel of all that match: POST /api/jobs/cancel, or /api/ops/jobs/cancel for operators.
 * Undefined: the filter is of jobs that have ended, or of all that a tenant has.
 */
export function cancelBody(filter: JobFilter, isOperator: boolean, nowSeconds: number): object | undefined {
  const { status, model, tenant, batch } = filter;
  if (!["", "queued", "in_progress"].includes(status)) return undefined;
  const given = (fields: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "" && value !== undefined));
  if (isOperator) return { filter: given({ tenant, status, model }) };
  const age = AGES[filter.made];
  const pair = metadataPair(filter.metadata);
  const body = given({
    ...{ status, model, batch_id: batch },
    created_after: age === undefined ? undefined : Math.floor(nowSeconds - age),
    metadata: pair && { [pair[0]]: pair[1] },
  });
  return Object.keys(body).length === 0 ? undefined : body;
}
