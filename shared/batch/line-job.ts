import { type Accepted, type AcceptedBy, acceptJob } from "../job/intake/accept.ts";
import type { Queued } from "../job/job.ts";
import type { Catalogue } from "../model/catalogue.ts";
import { chooseDeployment } from "../model/choice.ts";
import { readAsk } from "../model/protocol/protocols.ts";
import { admissionTokens } from "../model/token-estimate.ts";
import { sha256Hex } from "../sha256.ts";
import type { Tenant } from "../tenant/tenants.ts";
import { type Batch, jobIdOfLine } from "./batch.ts";
import type { BatchLine } from "./line.ts";

/** The sweeper's net for a job that the dispatcher looks after. */
const LINE_NET_MS = 600_000;

/**
 * The job of a line, in the line of all that wait from the start: no nudge is sent for it, the dispatcher lets it go in
 * its turn. One that waits for something else is as any new job, and the sweeper nudges it.
 */
export function acceptLine(
  batch: Batch,
  { custom_id, model, body, bodyText }: BatchLine,
  index: number,
  by: Omit<AcceptedBy, "jobId" | "tenantId" | "actor"> & {
    readonly catalogue: Catalogue;
    readonly tenant: Tenant;
  },
): Accepted<Queued> {
  const { tenant_id, batch_id, endpoint, actor, metadata, expires_at_ms } = batch;
  const { catalogue, tenant, nowMs } = by;
  const ask = readAsk(endpoint, () => body);
  const choice = chooseDeployment({
    ...{ model: catalogue.model(model), ask, tenant, refusedBy: [], tried: [], nowMs, seed: "" },
    ...{ waitCause: () => "line", latencyMs: () => undefined },
  });
  const waits: AcceptedBy["waits"] =
    choice.kind !== "wait" || choice.cause === "switched_off"
      ? undefined
      : {
          waiting: {
            ...{ for: "quota", cause: choice.cause, since_ms: nowMs, revision: catalogue.revision },
            ...{
              deployments: choice.deployments.map(({ name }) => name),
              tokens: admissionTokens(ask.tokens),
            },
          },
          reason: `waiting: ${choice.reason}`,
          wakeAtMs: Math.min(nowMs + LINE_NET_MS, expires_at_ms),
        };
  const accepted = acceptJob(
    {
      ...{ endpoint, model, bodyText, metadata, priority: "low", notBeforeMs: null },
      ...{ deadlineMs: expires_at_ms, envelopeSha256: sha256Hex(bodyText) },
      ...(batch.validate === true ? { validate: "retry" } : {}),
    },
    {
      ...{ ...by, tenantId: tenant_id, jobId: jobIdOfLine(batch, index), actor },
      ...(waits === undefined ? {} : { waits }),
    },
  );
  return { ...accepted, job: { ...accepted.job, batch_id, batch_line: index, custom_id } };
}
