/** Whole numbers, one after the other, four bytes each: an array of arrays would not hold millions of steps. */
class Numbers {
  #values = new Int32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Int32Array(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  at(index: number): number {
    return this.#values[index] ?? 0;
  }
}

/** Answers what stood there before. */
function add(to: Int32Array, at: number, what: number): number {
  const before = to[at] ?? 0;
  to[at] = before + what;
  return before;
}

/** The states met, how each was first reached, and which lead to which by progress alone. */
export class Graph {
  readonly #known = new Map<string, number>();
  readonly #parents = new Numbers();
  readonly #labels = new Numbers();
  readonly #words = new Map<string, number>();
  readonly #from = new Numbers();
  readonly #to = new Numbers();
  readonly #ended: number[] = [];

  get size(): number {
    return this.#known.size;
  }

  /** The state's number, and whether it was not known before. */
  meet(
    key: string,
    hasEnded: boolean,
    from: number,
    label: string,
  ): { readonly id: number; readonly fresh: boolean } {
    const before = this.#known.get(key);
    if (before !== undefined) return { id: before, fresh: false };
    const id = this.#known.size;
    this.#known.set(key, id);
    this.#parents.push(from);
    const word = this.#words.get(label) ?? this.#words.size;
    this.#words.set(label, word);
    this.#labels.push(word);
    if (hasEnded) this.#ended.push(id);
    return { id, fresh: true };
  }

  leads(from: number, to: number): void {
    this.#from.push(from);
    this.#to.push(to);
  }

  traceOf(id: number): string[] {
    const words = [...this.#words.keys()];
    const trace: string[] = [];
    for (let at = id; at > 0; at = this.#parents.at(at)) trace.unshift(words[this.#labels.at(at)] ?? "");
    return trace;
  }

  /** A state from which no ended one can be reached; -1 without one. */
  stuck(): number {
    const { starts, before } = this.#backwards();
    const canEnd = new Uint8Array(this.size);
    for (const id of this.#ended) canEnd[id] = 1;
    const stack = [...this.#ended];
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      for (let at = starts[id] ?? 0; at < (starts[id + 1] ?? 0); at++) {
        const from = before[at] ?? 0;
        if (canEnd[from] === 1) continue;
        canEnd[from] = 1;
        stack.push(from);
      }
    }
    return canEnd.indexOf(0);
  }

  /** Who leads to state n: `before`, from `starts[n]` up to `starts[n + 1]`. */
  #backwards(): { readonly starts: Int32Array; readonly before: Int32Array } {
    const starts = new Int32Array(this.size + 1);
    for (let edge = 0; edge < this.#to.length; edge++) add(starts, this.#to.at(edge) + 1, 1);
    for (let id = 0; id < this.size; id++) add(starts, id + 1, starts[id] ?? 0);
    const next = starts.slice();
    const before = new Int32Array(this.#to.length);
    for (let edge = 0; edge < this.#to.length; edge++) {
      before[add(next, this.#to.at(edge), 1)] = this.#from.at(edge);
    }
    return { starts, before };
  }
}
