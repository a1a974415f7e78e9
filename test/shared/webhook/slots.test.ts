import { describe, expect, it } from "vitest";
import { Slots } from "../../../shared/webhook/slots.ts";
import { TestClock } from "../world.ts";

const AT_ONCE = 16;
const started = () => {
  const clock = new TestClock();
  const slots = new Slots(clock);
  /** What gives the slots back. */
  const taken = async (count: number, endpoint = "one", tenant = "a") => {
    const leaves: ((inTime: boolean) => void)[] = [];
    for (let n = 0; n < count; n++) {
      const leave = await slots.enter(tenant, endpoint);
      if (typeof leave === "string") throw new Error(`the endpoint is ${leave}`);
      leaves.push(leave);
    }
    return leaves;
  };
  return { clock, slots, taken };
};

describe("the slots of an endpoint", () => {
  it("are waited for while it answers, and given in the order of asking", async () => {
    const { slots, taken } = started();
    const [first] = await taken(AT_ONCE);
    const order: number[] = [];
    const waiting = [1, 2].map((n) =>
      slots.enter("a", "one").then((leave) => {
        order.push(n);
        return leave;
      }),
    );
    first?.(true);
    const leave = await waiting[0];
    expect(order).toEqual([1]);
    if (typeof leave === "function") leave(true);
    await waiting[1];
    expect(order).toEqual([1, 2]);
  });

  it("are not had by whom nobody made room for in 2 s", async () => {
    const { clock, slots, taken } = started();
    const leaves = await taken(AT_ONCE);
    clock.advance(1_000);
    leaves[0]?.(true);
    const [latest] = await taken(1);
    for (const leave of leaves.slice(1)) leave(true);
    await taken(AT_ONCE - 1);
    const waiting = slots.enter("a", "one");
    clock.advance(2_000);
    expect(await waiting).toBe("slow");
    latest?.(true);
    expect(typeof (await slots.enter("a", "one"))).toBe("function");
  });

  it("are not waited for once a try has been under way for 2 s", async () => {
    const { clock, slots, taken } = started();
    await taken(AT_ONCE);
    clock.advance(2_000);
    expect(await slots.enter("a", "one")).toBe("slow");
    expect(typeof (await slots.enter("a", "another"))).toBe("function");
  });

  it("are one after a try that was not answered in time, and all again after one that was", async () => {
    const { slots, taken } = started();
    const [leave] = await taken(1);
    leave?.(false);
    const [only] = await taken(1);
    expect(await slots.enter("a", "one")).toBe("slow");
    only?.(true);
    expect(await taken(AT_ONCE)).toHaveLength(AT_ONCE);
  });

  it("are no more than leave others as many", async () => {
    const { slots, taken } = started();
    const had: unknown[] = [];
    for (let n = 0; n < 10; n++) {
      const rest = 256 - had.length;
      had.push(...(await taken(Math.min(AT_ONCE, rest - had.length), `endpoint ${n}`)));
      if (had.length === 128) break;
    }
    expect(had).toHaveLength(128);
    const waiting = slots.enter("a", "endpoint 9");
    expect(await taken(AT_ONCE, "another's", "b")).toHaveLength(AT_ONCE);
    expect(await Promise.race([waiting, "none yet"])).toBe("none yet");
  });
});
