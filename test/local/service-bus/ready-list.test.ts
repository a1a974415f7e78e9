import fc from "fast-check";
import { expect, test } from "vitest";
import { READY_WINDOW } from "../../../local/service-bus/limits.ts";
import { type Meta, ReadyList } from "../../../local/service-bus/ready-list.ts";

/** A store of ids that are ready and not taken. */
function listOver(stored: Set<number>): ReadyList {
  const load = (after: number, limit: number) =>
    [...stored]
      .filter((id) => id > after)
      .sort((a, b) => a - b)
      .slice(0, limit)
      .map((id) => ({ id, session: null, expiresAt: null, deliveryCount: 0 }));
  return new ReadyList(load, 0);
}

const meta = (id: number): Meta => ({
  id,
  session: null,
  expiresAt: Number.POSITIVE_INFINITY,
  deliveryCount: 0,
});

/** A list, its store, and what was taken from it. */
class Pair {
  readonly stored: Set<number>;
  readonly list: ReadyList;
  readonly #taken: Meta[] = [];
  #last: number;

  constructor(before: number) {
    this.stored = new Set(Array.from({ length: before }, (_, n) => n + 1));
    this.list = listOver(this.stored);
    this.#last = before;
  }

  push(): void {
    this.stored.add(++this.#last);
    this.list.push(meta(this.#last));
  }

  take(): void {
    const one = this.list.take(0);
    expect(one?.id).toBe(this.stored.size === 0 ? undefined : Math.min(...this.stored));
    if (one === undefined) return;
    this.stored.delete(one.id);
    this.#taken.push(one);
  }

  giveBack(): void {
    const one = this.#taken.shift();
    if (one === undefined) return;
    this.stored.add(one.id);
    this.list.giveBack(one);
  }
}

test("always the lowest that is ready, once", () => {
  const step = fc.constantFrom("push", "take", "giveBack");
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5 }), fc.array(step, { maxLength: 200 }), (before, steps) => {
      const pair = new Pair(before);
      for (const name of steps) pair[name as "push" | "take" | "giveBack"]();
      expect(pair.list.isEmpty()).toBe(pair.stored.size === 0);
    }),
  );
});

test("a backlog larger than the window comes in order, whatever is given back meanwhile", () => {
  const stored = new Set<number>();
  const list = listOver(stored);
  expect(list.isEmpty()).toBe(true);
  const count = READY_WINDOW * 2 + 100;
  for (let id = 1; id <= count; id++) {
    stored.add(id);
    list.push(meta(id));
  }
  const taken: Meta[] = [];
  for (let n = 1; n <= count; n++) {
    const one = list.take(0);
    expect(one?.id).toBe(n);
    stored.delete(n);
    if (one !== undefined) taken.push(one);
  }
  for (const one of taken.reverse()) {
    stored.add(one.id);
    list.giveBack(one);
  }
  for (let n = 1; n <= count; n++) {
    expect(list.take(0)?.id).toBe(n);
    stored.delete(n);
  }
  expect(list.isEmpty()).toBe(true);
});

test("what has expired is passed over", () => {
  const list = listOver(new Set());
  expect(list.isEmpty()).toBe(true);
  list.push({ ...meta(1), expiresAt: 10 });
  list.push(meta(2));
  expect(list.take(10)?.id).toBe(2);
});
