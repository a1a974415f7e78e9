import type { Clock } from "../clock.ts";
import { type FreshCopy, freshCopy } from "../fresh-copy.ts";
import { type Log, reasonOf } from "../log.ts";
import type { Tenants } from "./tenants.ts";

export interface TenantsWatchDeps {
  /** The whole tenants file, now; gives up when `signal` aborts. */
  readonly readText: (signal: AbortSignal) => Promise<string>;
  readonly parse: (text: string) => { tenants: Tenants } | { faults: string[] };
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly log: Log;
}

export interface WatchedTenants extends FreshCopy {
  /** Those in force: of the last version of the file that was valid. */
  current(): Tenants;
}

/** A share that hangs is asked again rather than waited for. With FRESH_MS it keeps the promise: a key taken out is refused within 5 s. */
const READ_PATIENCE_MS = 2_000;

/**
 * The tenants file, looked at by its text (times of files on shares lie) whenever the copy may be old. A version that cannot be read, parsed or
 * validated is refused with every fault in one log line, and the one before stays in force.
 * @param first the version of the start, and its text
 */
export function watchTenants(
  first: { readonly tenants: Tenants; readonly text: string },
  deps: TenantsWatchDeps,
): WatchedTenants {
  let { tenants, text: inForce } = first;
  /** What was last complained of, so that a fault is told once and not with every look. */
  let complaint: string | undefined;
  const complain = (event: string, what: string, fields: { reason: string }) => {
    if (what === complaint) return;
    complaint = what;
    deps.log.error(event, fields);
  };
  const take = (text: string) => {
    if (text === inForce) {
      if (complaint !== undefined) deps.log.info("tenants_as_before");
      complaint = undefined;
      return;
    }
    const parsed = deps.parse(text);
    if ("faults" in parsed) {
      complain("tenants_refused", text, { reason: parsed.faults.join("; ") });
      return;
    }
    tenants = parsed.tenants;
    inForce = text;
    complaint = undefined;
    deps.log.info("tenants_changed", { tenants: tenants.count });
  };
  const read = async () => {
    try {
      take(await deps.readText(AbortSignal.timeout(READ_PATIENCE_MS)));
    } catch (thrown) {
      const reason = reasonOf(thrown);
      complain("tenants_not_read", reason, { reason });
    }
  };
  return { ...freshCopy({ read, clock: deps.clock, believedMs: Infinity }), current: () => tenants };
}
