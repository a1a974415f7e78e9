import { setImmediate } from "node:timers/promises";
import { CosmosClient } from "@azure/cosmos";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
import { EMULATOR_KEY } from "../../../local/cosmos/authorization.ts";
import { CosmosError } from "../../../local/cosmos/cosmos-error.ts";
import { RequestBudget } from "../../../local/cosmos/request-budget.ts";
import { startCosmos } from "../../../local/cosmos/server.ts";

const RETRIES = 9;
const MAX_WAIT_MS = 30_000;
const READS = 400;
const STEP_MS = 5;

/**
 * Requests that come at given times, each of so many units, and retry as the SDKs do; how many give up, and the time
 * of the last one served.
 */
function served(perSecond: number, arrivals: readonly { atMs: number; units: number }[]) {
  const clock = new ManualClock();
  const start = clock.now();
  const budget = new RequestBudget(perSecond, clock);
  const waiting = arrivals.map((each) => ({ ...each, tries: 0, waitedMs: 0 }));
  let [failed, refused, endMs] = [0, 0, 0];
  while (waiting.length > 0) {
    waiting.sort((a, b) => a.atMs - b.atMs);
    const next = waiting.shift() as (typeof waiting)[number];
    clock.advance(Math.max(0, start + next.atMs - clock.now()));
    try {
      budget.admit();
      budget.spend(next.units);
      endMs = next.atMs;
    } catch (thrown) {
      if (!(thrown instanceof CosmosError)) throw thrown;
      refused++;
      const { retryAfterMs = 0 } = thrown;
      if (next.tries === RETRIES || next.waitedMs >= MAX_WAIT_MS) failed++;
      else
        waiting.push({
          ...next,
          atMs: next.atMs + retryAfterMs,
          tries: next.tries + 1,
          waitedMs: next.waitedMs + retryAfterMs,
        });
    }
  }
  return { failed, refused, endMs };
}

const together = (count: number, units: (n: number) => number) =>
  Array.from({ length: count }, (_, n) => ({ atMs: 0, units: units(n) }));

describe("those who are refused for want of units", () => {
  it.each<[string, { atMs: number; units: number }[]]>([
    ["400 reads at once", together(400, () => 2)],
    ["2,000 reads at once", together(2_000, () => 1)],
    ["400 reads of 100 KB", together(400, () => 10)],
    ["writes among reads", together(600, (n) => (n % 3 === 0 ? 10 : 1))],
    [
      "400 reads each second",
      Array.from({ length: 4_000 }, (_, n) => ({ atMs: Math.floor(n / 400) * 1_000, units: 1 })),
    ],
  ])("survive with the SDKs' nine retries: %s", (_, arrivals) => {
    const { failed, endMs } = served(400, arrivals);
    expect(failed).toBe(0);
    // No unit is left unused for long meanwhile.
    const units = arrivals.reduce((sum, each) => sum + each.units, 0);
    expect(endMs).toBeLessThan((units / 400) * 1_000 * 1.2 + 1_000);
  });

  it("are told to come back one after the other, and not long after there are units again", () => {
    const clock = new ManualClock();
    const budget = new RequestBudget(400, clock);
    const hint = () => {
      try {
        budget.admit();
      } catch (thrown) {
        return (thrown as CosmosError).retryAfterMs;
      }
      return 0;
    };
    for (let n = 0; n < 100; n++) {
      budget.admit();
      budget.spend(4);
    }
    const hints = Array.from({ length: 5 }, hint);
    expect(hints).toEqual([1, 10, 20, 30, 40]);
    clock.advance(1_000);
    expect(hint()).toBe(0);
  });

  it("are the real client's: with its defaults, none of 400 reads at once fails", {
    tags: ["long"],
  }, async () => {
    // The client's waiting and the server's time are turned together, so that a slow machine has no part in it.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const clock = new ManualClock();
    const resources = { database: "d", consistency: "Strong", containers: [] };
    const cosmos = await startCosmos({ port: 0, databaseFile: ":memory:", resources, clock });
    const client = new CosmosClient({ endpoint: `http://127.0.0.1:${cosmos.port}/`, key: EMULATOR_KEY });
    onTestFinished(async () => {
      vi.useRealTimers();
      client.dispose();
      await cosmos.close();
    });
    const { database } = await client.databases.createIfNotExists({ id: "d" });
    const { container } = await database.containers.create({ id: "c", partitionKey: { paths: ["/pk"] } });
    for (let n = 0; n < 20; n++)
      await container.items.create({ id: `${n}`, pk: "p", text: "x".repeat(16_000) });
    const { offer, resource } = await container.readOffer();
    await offer?.replace({ ...resource, content: { offerThroughput: 400 } } as never);

    let open = READS;
    const reads = Array.from({ length: READS }, async (_, n) => {
      const status = await container
        .item(`${n % 20}`, "p")
        .read()
        .then(
          ({ statusCode }) => statusCode,
          ({ code }) => code,
        );
      open--;
      return status;
    });
    const answered = () => (cosmos.counters().read ?? 0) + (cosmos.counters().refused ?? 0);
    while (answered() < READS) await setImmediate();
    expect(cosmos.counters().refused).toBeGreaterThan(READS / 2);
    while (open > 0) {
      clock.advance(STEP_MS);
      await vi.advanceTimersByTimeAsync(STEP_MS);
      await setImmediate();
    }
    expect(new Set(await Promise.all(reads))).toEqual(new Set([200]));
  });
});
