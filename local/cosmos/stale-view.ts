import type { Clock } from "../clock.ts";
import type { ContainerStore } from "./container-store.ts";
import { type ContainerView, isInScope, type Selection, type StoredItem } from "./container-view.ts";
import { type Bounds, nameOf, type Past } from "./history.ts";

/** A container as a lagging replica has it; the container itself where the bounds leave nothing older. */
export function staleView(container: ContainerStore, bounds: Bounds, clock: Clock): ContainerView {
  const past = container.history?.past(bounds, clock.now());
  return past === undefined ? container : new StaleView(container, past, clock);
}

class StaleView implements ContainerView {
  readonly hasColumns = false;
  readonly #now: ContainerStore;
  readonly #past: Past;
  readonly #clock: Clock;

  constructor(now: ContainerStore, past: Past, clock: Clock) {
    this.#now = now;
    this.#past = past;
    this.#clock = clock;
  }

  get number() {
    return this.#now.number;
  }

  get rid() {
    return this.#now.rid;
  }

  get path() {
    return this.#now.path;
  }

  get definition() {
    return this.#now.definition;
  }

  get keyPaths() {
    return this.#now.keyPaths;
  }

  get indexes() {
    return this.#now.indexes;
  }

  get lsn() {
    return this.#past.lsn;
  }

  get nowMs() {
    return this.#clock.now();
  }

  needSingle(column: string, within?: "p1"): void {
    this.#now.needSingle(column, within);
  }

  read(key: string, id: string): StoredItem | undefined {
    const change = this.#past.before.get(nameOf(key, id));
    if (change === undefined) return this.#now.read(key, id);
    return this.#lives(change.expiresMs) ? change.item : undefined;
  }

  /** What has not changed since comes from the table: its lsn says so. The rest is as it was. */
  *select(selection: Selection): Generator<StoredItem> {
    const { order, fromBorn = 0, afterLsn = 0, limit = Number.POSITIVE_INFINITY } = selection;
    const by = order === "lsn" ? "lsn" : "born";
    const found = [...this.#now.select({ ...selection, order: by, upToLsn: this.#past.lsn })];
    for (const { key, item, expiresMs } of this.#past.before.values()) {
      if (item === undefined || !this.#lives(expiresMs) || !isInScope(selection, key)) continue;
      if (item.born >= fromBorn && item.lsn > afterLsn) found.push(item);
    }
    yield* found.sort((a, b) => a[by] - b[by]).slice(0, limit);
  }

  #lives(expiresMs: number | null): boolean {
    return expiresMs === null || expiresMs > this.#clock.now();
  }
}
