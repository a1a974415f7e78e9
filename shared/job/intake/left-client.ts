import type { JobKey } from "../../store.ts";
import { cancelWhere, type EndingDeps } from "../ending/cancel.ts";
import type { Job } from "../job.ts";
import type { ConnectedClients } from "./join.ts";

/** An automatic retry comes within seconds. */
export const LEFT_MS = 30_000;

/**
 * Cancels the job of a call whose client has left, unless it ends within 30 s or a retry takes it. Resolves once that
 * is decided.
 * @param call the request that waited: where another has taken its place by then, that one waits on
 * @throws StoreUnavailable
 */
export async function cancelLeft(
  deps: EndingDeps & { readonly connected: ConnectedClients },
  job: JobKey,
  call: { readonly actor: string; readonly joinedBy: string | undefined },
): Promise<void> {
  const isEnded = await new Promise<boolean>((resolve) => {
    const forget = deps.running.onEnded(job.job_id, (ended) => {
      cancel();
      resolve(ended !== undefined);
    });
    const cancel = deps.clock.after(LEFT_MS, () => {
      forget();
      resolve(false);
    });
  });
  if (isEnded || deps.running.isEnding) return;
  await cancelWhere(deps, job, call.actor, "client_left", isLeftAlone);
  function isLeftAlone({ coalesce, joined_by }: Job): boolean {
    return coalesce !== undefined && joined_by === call.joinedBy && !deps.connected.has(job);
  }
}
