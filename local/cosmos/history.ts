import type { StoredItem } from "./container-view.ts";

/** An item as it was before a write; `item` is undefined where there was none. */
export interface Change {
  readonly lsn: number;
  readonly atMs: number;
  readonly key: string;
  readonly id: string;
  readonly item: StoredItem | undefined;
  readonly expiresMs: number | null;
}

export interface Bounds {
  /** Stale reads are at most so many writes behind; a batch counts as one. */
  readonly writes?: number | undefined;
  /** No state that ended longer than so many ms ago. */
  readonly ms?: number | undefined;
  /** No state older than this lsn: the session's. */
  readonly session?: number | undefined;
}

/** What a container held a while ago: the changes since, undone. */
export interface Past {
  readonly lsn: number;
  /** Items as they were, by key and id, for those that changed since. */
  readonly before: ReadonlyMap<string, Change>;
}

const MAX_WRITES = 10_000;
const MAX_CHARS = 64 * 1024 * 1024;

export const nameOf = (key: string, id: string) => `${key}\u0002${id}`;

/** The latest writes of a container and what each replaced, kept only while stale reads are asked for. */
export class History {
  #writes: { readonly changes: readonly Change[]; readonly chars: number }[] = [];
  #floor: number;
  #open: Change[] | undefined;
  #chars = 0;

  constructor(lsn: number) {
    this.#floor = lsn;
  }

  /** What is recorded from here to `commit` is one write: a batch is seen whole or not at all. */
  begin(): void {
    this.#open = [];
  }

  commit(): void {
    const changes = this.#open ?? [];
    this.#open = undefined;
    if (changes.length > 0) this.#add(changes);
  }

  rollBack(): void {
    this.#open = undefined;
  }

  record(change: Change): void {
    if (this.#open !== undefined) this.#open.push(change);
    else this.#add([change]);
  }

  #add(changes: readonly Change[]): void {
    const chars = changes.reduce((sum, { item }) => sum + (item?.text.length ?? 0), 0);
    this.#writes.push({ changes, chars });
    this.#chars += chars;
    while (this.#writes.length > MAX_WRITES || this.#chars > MAX_CHARS) {
      const oldest = this.#writes.shift();
      this.#chars -= oldest?.chars ?? 0;
      this.#floor = oldest?.changes.at(-1)?.lsn ?? this.#floor;
    }
  }

  /** The oldest state the bounds allow; undefined: none but the present one. */
  past(bounds: Bounds, nowMs: number): Past | undefined {
    const { writes = Number.POSITIVE_INFINITY, ms = Number.POSITIVE_INFINITY, session = 0 } = bounds;
    const before = new Map<string, Change>();
    let at = this.#writes.length;
    for (let undone = 0; at > 0 && undone < writes; at--, undone++) {
      const { changes } = this.#writes[at - 1] as { changes: readonly Change[] };
      const last = changes.at(-1) as Change;
      if (last.lsn <= session || last.atMs <= nowMs - ms) break;
      for (const change of [...changes].reverse()) before.set(nameOf(change.key, change.id), change);
    }
    if (before.size === 0) return undefined;
    return { lsn: this.#writes[at - 1]?.changes.at(-1)?.lsn ?? this.#floor, before };
  }
}
