import { changeControl } from "../audit/control-trail.ts";
import { Problem } from "../errors.ts";
import type { Operation } from "./operation.ts";
import { SCOPES, type StartDeps } from "./start.ts";

/**
 * Ends an operation before it is done; what it has done stays. A turn that runs meanwhile finds that its page cannot be
 * told any more, and stops after that page. One that has ended is answered as it is.
 * @throws Problem operation_not_found
 * @throws StoreUnavailable
 */
export async function stopOperation(
  deps: Omit<StartDeps, "announcer">,
  id: string,
  by: { readonly changeId: string; readonly actor: string },
): Promise<Operation> {
  for (;;) {
    const found = await deps.operations.read(id);
    if (found === undefined) throw new Problem("operation_not_found", `There is no operation ${id}.`);
    const { wake_at_ms, ...rest } = found.value;
    if (wake_at_ms === undefined) return found.value;
    const { kind } = rest.operation;
    await changeControl(deps, {
      ...{ scope: SCOPES[kind], changeId: by.changeId, actor: by.actor, reads: [] },
      decide: () => ({ event: "bulk_stopped", reason: null, details: { kind, id }, writes: [] }),
    });
    const ended = { ended_at_ms: deps.clock.now(), stopped_by: by.actor };
    const stopped: Operation = { ...rest, operation: { ...rest.operation, ...ended } };
    // Superseded by a turn's page: that is looked at again, and is on record once.
    if ((await deps.operations.write(stopped, found.etag)).kind === "written") return stopped;
  }
}
