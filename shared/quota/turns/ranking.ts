import TinyQueue from "tinyqueue";

interface Entry<T> {
  readonly item: T;
  readonly key: number;
  /** Counts up, so that of equal keys the older entry is the first. */
  readonly order: number;
}

/** Entries of items that have gone or moved are tolerated up to as many as there are items, and these. */
const FEW_ENTRIES = 64;

/**
 * Items ranked by a number each, the least first; of equals the one that was ranked first. Adding, moving and removing
 * cost a logarithm of the number of items. An entry of an item that has gone stays until it comes to the top.
 */
export class Ranking<T> {
  readonly #keys = new Map<T, number>();
  #queue = new TinyQueue<Entry<T>>([], inOrder);
  #made = 0;

  get size(): number {
    return this.#keys.size;
  }

  /** Adds it, or moves it to another place. */
  set(item: T, key: number): void {
    if (this.#keys.get(item) === key) return;
    this.#keys.set(item, key);
    this.#queue.push({ item, key, order: this.#made++ });
    this.#tidy();
  }

  delete(item: T): void {
    if (this.#keys.delete(item)) this.#tidy();
  }

  first(): T | undefined {
    return this.#queue.peek()?.item;
  }

  /** The least key; Infinity where there is nothing. */
  firstKey(): number {
    return this.#queue.peek()?.key ?? Infinity;
  }

  /** All whose key is below one, the least first. */
  below(key: number): T[] {
    const { data } = this.#queue;
    const found: Entry<T>[] = [];
    const look = (index: number): void => {
      const entry = data[index];
      if (entry === undefined || entry.key >= key) return;
      if (this.#isHere(entry)) found.push(entry);
      look(2 * index + 1);
      look(2 * index + 2);
    };
    look(0);
    // An item that went and came back at the same place has two entries.
    return [...new Set(found.sort(inOrder).map(({ item }) => item))];
  }

  #isHere(entry: Entry<T>): boolean {
    return this.#keys.get(entry.item) === entry.key;
  }

  #tidy(): void {
    if (this.#queue.length > 2 * this.#keys.size + FEW_ENTRIES)
      this.#queue = new TinyQueue(
        this.#queue.data.filter((entry) => this.#isHere(entry)),
        inOrder,
      );
    for (let top = this.#queue.peek(); top !== undefined && !this.#isHere(top); top = this.#queue.peek())
      this.#queue.pop();
  }
}

function inOrder<T>(a: Entry<T>, b: Entry<T>): number {
  return a.key - b.key || a.order - b.order;
}
