import type { ServiceBusClient } from "@azure/service-bus";
import { nudgeFor } from "../../job/nudge.ts";
import type { Nudge } from "../../job/ports.ts";
import type { Grant } from "../../quota/grant.ts";
import type { Releases } from "../../quota/ports.ts";
import { type JobKey, STORED_VERSION } from "../../store.ts";
import { ServiceBusNudges } from "./nudges.ts";

/** As infra/resources.json names it: nudges of jobs that have waited already do not queue behind new jobs. */
export const RELEASES_QUEUE = "releases";

/** Whoever takes this message dispatches. */
const DISPATCH = { v: STORED_VERSION, dispatch: true } as const;

export function isDispatch(body: unknown): boolean {
  const { v, dispatch } = (body ?? {}) as Partial<Record<keyof typeof DISPATCH, unknown>>;
  return typeof v === "number" && dispatch === true;
}

/** Messages of one send: at 400 bytes each, well below its 256 KB. */
const BATCH_MESSAGES = 200;

/** Nudges of the dispatcher, many in one send, and those for jobs whose worker died. */
export class ServiceBusReleases implements Releases {
  readonly #queue: ServiceBusNudges;

  constructor(open: () => ServiceBusClient) {
    this.#queue = new ServiceBusNudges(open, RELEASES_QUEUE);
  }

  send(nudge: Nudge, options: { atMs?: number; patienceMs?: number } = {}): Promise<void> {
    return this.#queue.send(nudge, options);
  }

  release(jobs: readonly { readonly key: JobKey; readonly grant: Grant }[]): Promise<void> {
    return this.#send(jobs.map(({ key, grant }) => nudgeFor(key, { grant })));
  }

  giveUp(jobs: Parameters<Releases["giveUp"]>[0]): Promise<void> {
    return this.#send(jobs.map(({ late, ...key }) => nudgeFor(key, late === undefined ? {} : { late })));
  }

  dispatch(atMs?: number): Promise<void> {
    return this.#queue.send(DISPATCH, atMs === undefined ? {} : { atMs });
  }

  async #send(nudges: readonly Nudge[]): Promise<void> {
    for (let from = 0; from < nudges.length; from += BATCH_MESSAGES)
      await this.#queue.sendAll(nudges.slice(from, from + BATCH_MESSAGES));
  }
}
