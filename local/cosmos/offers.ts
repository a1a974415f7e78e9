import type { IncomingHttpHeaders } from "node:http";
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../clock.ts";
import { badRequest } from "./cosmos-error.ts";
import { RequestBudget } from "./request-budget.ts";

/** Throughput provisioned for a database or a container; `resource` is its `_self`. */
export interface Offer {
  readonly id: string;
  readonly resource: string;
  readonly rid: string;
  /** RU/s; with autoscale, the most. */
  readonly throughput: number;
  readonly autoscale: boolean;
}

const MIN_THROUGHPUT = 400;
const MAX_THROUGHPUT = 1_000_000;
const THROUGHPUT_STEP = 100;

function offerOf(resource: string, throughput: number, autoscale: boolean): Offer {
  const rid = resource.split("/").at(-2) ?? "";
  return { id: Buffer.from(rid).toString("hex"), resource, rid, throughput, autoscale };
}

/** The offers of an account, and the budgets that follow from them. */
export class Offers {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #byResource = new Map<string, { offer: Offer; budget: RequestBudget }>();

  constructor(db: DatabaseSync, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
    this.reload();
  }

  /** Reads them again: the open transaction was rolled back. */
  reload(): void {
    this.#byResource.clear();
    for (const row of this.#db.prepare("SELECT resource, throughput, autoscale FROM offers").all()) {
      this.#keep(String(row.resource), Number(row.throughput), row.autoscale === 1);
    }
  }

  #keep(resource: string, throughput: number, autoscale: boolean): Offer {
    const offer = offerOf(resource, throughput, autoscale);
    const known = this.#byResource.get(resource);
    const budget = known?.budget ?? new RequestBudget(throughput, this.#clock);
    budget.perSecond = throughput;
    this.#byResource.set(resource, { offer, budget });
    return offer;
  }

  all(): Offer[] {
    return [...this.#byResource.values()].map(({ offer }) => offer);
  }

  /** What the service gives a container made without a throughput; shown, and not enforced here. */
  unlimited(resource: string): Offer {
    return offerOf(resource, MIN_THROUGHPUT, false);
  }

  has(resource: string): boolean {
    return this.#byResource.has(resource);
  }

  budget(resource: string): RequestBudget | undefined {
    return this.#byResource.get(resource)?.budget;
  }

  set(resource: string, throughput: number, autoscale: boolean): Offer {
    this.#db
      .prepare("INSERT OR REPLACE INTO offers (resource, throughput, autoscale) VALUES (?, ?, ?)")
      .run(resource, throughput, autoscale ? 1 : 0);
    return this.#keep(resource, throughput, autoscale);
  }

  remove(resource: string): void {
    this.#db.prepare("DELETE FROM offers WHERE resource = ?").run(resource);
    this.#byResource.delete(resource);
  }
}

export interface Provisioned {
  readonly throughput: number;
  readonly autoscale: boolean;
}

/** What a database or container is made with; undefined: no limit. @throws CosmosError 400 */
export function provisionedOf(headers: IncomingHttpHeaders): Provisioned | undefined {
  const fixed = headers["x-ms-offer-throughput"];
  if (fixed !== undefined) return checked(Number(fixed), false);
  const autoscale = headers["x-ms-cosmos-offer-autopilot-settings"];
  if (autoscale === undefined) return undefined;
  try {
    return checked(
      Number((JSON.parse(String(autoscale)) as { maxThroughput?: unknown }).maxThroughput),
      true,
    );
  } catch (thrown) {
    if (thrown instanceof SyntaxError) throw badRequest("The autoscale settings are no JSON.");
    throw thrown;
  }
}

/** What an offer is replaced with. @throws CosmosError 400 */
export function provisionedIn(offer: Record<string, unknown>): Provisioned {
  const content = (offer.content ?? {}) as {
    offerThroughput?: unknown;
    offerAutopilotSettings?: { maxThroughput?: unknown };
  };
  const most = content.offerAutopilotSettings?.maxThroughput;
  return most === undefined ? checked(Number(content.offerThroughput), false) : checked(Number(most), true);
}

function checked(throughput: number, autoscale: boolean): Provisioned {
  if (!(throughput >= MIN_THROUGHPUT && throughput <= MAX_THROUGHPUT) || throughput % THROUGHPUT_STEP !== 0) {
    throw badRequest(
      `The offer should have valid throughput values between ${MIN_THROUGHPUT} and ${MAX_THROUGHPUT} inclusive in increments of ${THROUGHPUT_STEP}.`,
    );
  }
  return { throughput, autoscale };
}

/** An offer as the wire has it. */
export function offerResource({ id, resource, rid, throughput, autoscale }: Offer) {
  const settings = autoscale ? { offerAutopilotSettings: { maxThroughput: throughput } } : {};
  const content = { offerThroughput: throughput, offerIsRUPerMinuteThroughputEnabled: false, ...settings };
  return {
    ...{ id, _rid: id, _self: `offers/${id}/`, _etag: '"0"', _ts: 0 },
    ...{ resource, offerResourceId: rid, offerType: "Invalid", offerVersion: "V2", content },
  };
}
