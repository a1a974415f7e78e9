/** What waits, in the order it came. */
interface Waiting<T> {
  readonly item: T;
  readonly resolve: () => void;
  readonly reject: (why: unknown) => void;
}

/**
 * Sends one group at a time: what is asked for while one is under way goes together in the next. Alone, each is sent
 * at once; the busier, the larger the groups, and the fewer round trips each item costs.
 */
export class GroupedSends<T> {
  readonly #sendAll: (items: readonly T[]) => Promise<void>;
  readonly #maxItems: number;
  #waiting: Waiting<T>[] = [];
  #underWay = false;

  constructor(sendAll: (items: readonly T[]) => Promise<void>, maxItems: number) {
    this.#sendAll = sendAll;
    this.#maxItems = maxItems;
  }

  /** Resolves or rejects as the group does that it went with. */
  send(item: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (!this.#underWay) void this.#next();
    });
  }

  async #next(): Promise<void> {
    this.#underWay = true;
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0, this.#maxItems);
      try {
        await this.#sendAll(group.map(({ item }) => item));
        for (const { resolve } of group) resolve();
      } catch (thrown) {
        for (const { reject } of group) reject(thrown);
      }
    }
    this.#underWay = false;
  }
}
