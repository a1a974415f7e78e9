import { type Dispatcher, Pool } from "undici";

/** Pools kept open: the least recently used goes first. */
const MOST_POOLS = 512;

/**
 * Connections to labs, apart by tenant. What a server or a proxy sends too late, twice, or for another request comes out
 * of the connection that it was sent into: it must not be one that another tenant's request is on.
 */
export class Connections {
  /** By tenant and origin, the longest unused first. */
  readonly #pools = new Map<string, Pool>();
  readonly #closing = new Set<Promise<void>>();

  of(tenantId: string, origin: string): Dispatcher {
    const name = `${tenantId} ${origin}`;
    // undici's own time-outs for headers and body are 5 minutes; a reasoning call may take half an hour.
    const pool =
      this.#pools.get(name) ?? new Pool(origin, { headersTimeout: 0, bodyTimeout: 0, allowH2: false });
    this.#pools.delete(name);
    this.#pools.set(name, pool);
    for (const [oldest, unused] of this.#pools) {
      if (this.#pools.size <= MOST_POOLS) break;
      this.#pools.delete(oldest);
      this.#end(unused);
    }
    return pool;
  }

  /** No later request goes over a connection of this pool: calls that run on it end, and close it. */
  retire(tenantId: string, origin: string, pool: Dispatcher): void {
    const name = `${tenantId} ${origin}`;
    const current = this.#pools.get(name);
    if (current === undefined || current !== pool) return;
    this.#pools.delete(name);
    this.#end(current);
  }

  async close(): Promise<void> {
    for (const pool of this.#pools.values()) this.#end(pool);
    this.#pools.clear();
    await Promise.all(this.#closing);
  }

  #end(pool: Pool): void {
    // Of what fails while it closes its callers have heard.
    const closed = pool
      .close()
      .catch(() => undefined)
      .finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }
}
