interface Entry<T> {
  readonly item: T;
  readonly key: number;
  /** Of its making: equals keep it. */
  readonly order: number;
}

/** Entries of items that have gone, or moved, are borne up to as many as there are items, and these. */
const FEW_ENTRIES = 64;

/**
 * Items by a number each, the least first, equals in the order they were ranked: adding, moving and taking out cost
 * a logarithm of how many there are. A binary heap that leaves entries of what has gone until they come to the top.
 */
export class Ranking<T> {
  readonly #keys = new Map<T, number>();
  #heap: Entry<T>[] = [];
  #made = 0;

  get size(): number {
    return this.#keys.size;
  }

  /** Adds it, or moves it to another place. */
  set(item: T, key: number): void {
    if (this.#keys.get(item) === key) return;
    this.#keys.set(item, key);
    this.#heap.push({ item, key, order: this.#made++ });
    this.#up(this.#heap.length - 1);
    this.#tidy();
  }

  delete(item: T): void {
    if (this.#keys.delete(item)) this.#tidy();
  }

  first(): T | undefined {
    return this.#heap[0]?.item;
  }

  /** The least key; Infinity where there is nothing. */
  firstKey(): number {
    return this.#heap[0]?.key ?? Infinity;
  }

  /** All whose key is below one, the least first. */
  below(key: number): T[] {
    const found: Entry<T>[] = [];
    const look = (index: number): void => {
      const entry = this.#heap[index];
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
    if (this.#heap.length > 2 * this.#keys.size + FEW_ENTRIES) {
      // In order it is a heap as well.
      this.#heap = this.#heap.filter((entry) => this.#isHere(entry)).sort(inOrder);
      return;
    }
    for (let top = this.#heap[0]; top !== undefined && !this.#isHere(top); top = this.#heap[0]) this.#pop();
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#down(0);
  }

  #up(from: number): void {
    const heap = this.#heap;
    const entry = heap[from];
    if (entry === undefined) return;
    let child = from;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || inOrder(above, entry) <= 0) break;
      heap[child] = above;
      child = parent;
    }
    heap[child] = entry;
  }

  #down(from: number): void {
    const heap = this.#heap;
    const entry = heap[from];
    if (entry === undefined) return;
    let parent = from;
    for (;;) {
      const left = heap[2 * parent + 1];
      const right = heap[2 * parent + 2];
      if (left === undefined) break;
      const isRight = right !== undefined && inOrder(right, left) < 0;
      const least = isRight ? right : left;
      if (inOrder(entry, least) <= 0) break;
      heap[parent] = least;
      parent = 2 * parent + (isRight ? 2 : 1);
    }
    heap[parent] = entry;
  }
}

function inOrder<T>(a: Entry<T>, b: Entry<T>): number {
  return a.key - b.key || a.order - b.order;
}
