import type { ControlScope, JsonValue } from "../audit/control-record.ts";
import { type ControlTrailStore, changeControl } from "../audit/control-trail.ts";
import type { Clock } from "../clock.ts";
import { sha256Hex } from "../sha256.ts";
import { STORED_VERSION } from "../store.ts";
import type { Announcer } from "../webhook/announce.ts";
import { type Operation, type OperationStore, operationKey, TURN_MS } from "./operation.ts";

export interface StartDeps {
  readonly trail: ControlTrailStore;
  readonly operations: OperationStore;
  readonly announcer: Pick<Announcer, "send" | "flush">;
  readonly clock: Pick<Clock, "now">;
}

export const SCOPES = {
  cancel_jobs: "switches",
  redrive_dead_letters: "dead_letters",
} as const satisfies Readonly<Record<Operation["operation"]["kind"], ControlScope>>;

/**
 * Begins an operation: on record first, so that what a crash leaves out is made good by the same change id asked for
 * again, and is begun once.
 * @throws StoreUnavailable
 */
export async function startOperation(
  deps: StartDeps,
  { kind, filter }: Pick<Operation["operation"], "kind" | "filter">,
  by: { readonly changeId: string; readonly actor: string; readonly reason: string | null },
): Promise<Operation> {
  const id = `op_${sha256Hex(by.changeId).slice(0, 32)}`;
  const details = { kind, id, filter: JSON.parse(JSON.stringify(filter)) as JsonValue };
  const outcome = await changeControl(deps, {
    ...{ scope: SCOPES[kind], changeId: by.changeId, actor: by.actor, reads: [] },
    decide: () => ({ event: "bulk_started", reason: by.reason, details, writes: [] }),
  });
  if (outcome.kind !== "changed") throw new TypeError("an operation is always on record");
  const nowMs = deps.clock.now();
  const operation: Operation = {
    ...operationKey(id),
    operation: { kind, filter, actor: by.actor, reason: by.reason, at_ms: nowMs, counts: {} },
    ...{ created_at_ms: nowMs, wake_at_ms: nowMs + TURN_MS },
  };
  const written = await deps.operations.create(operation);
  if (written.kind !== "written") return (await deps.operations.read(id))?.value ?? operation;
  deps.announcer.send({ v: STORED_VERSION, ...operationKey(id) });
  await deps.announcer.flush();
  return operation;
}
