import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CosmosClient } from "@azure/cosmos";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ManualClock } from "../../../local/clock.ts";
import { EMULATOR_KEY } from "../../../local/cosmos/authorization.ts";
import { cosmosResources } from "../../../local/cosmos/resources.ts";
import { startCosmos } from "../../../local/cosmos/server.ts";
import { ChangeFeedTrigger, type FeedPage, feedOpener } from "../../../local/host/change-feed-trigger.ts";
import { FeedStore } from "../../../local/host/feed-store.ts";
import type { Call } from "../../../local/host/invocation.ts";
import { fakeFunction, silentLog } from "./functions.ts";

const PAGE_ITEMS = 2;
let folder: string;
let clock: ManualClock;
let open: FeedStore[];
/** The container's changes, in order; a continuation is how many have been read. */
let changes: number[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "feeds-"));
  clock = new ManualClock();
  [open, changes] = [[], []];
});
afterEach(() => {
  for (const store of open) store.close();
  rmSync(folder, { recursive: true });
});

function hostProcess(holder: string, options: { fail?: (items: number[]) => boolean } = {}) {
  const store = new FeedStore(join(folder, "feeds.db"), holder);
  open.push(store);
  const seen: number[][] = [];
  const hold: { until: Promise<void> } = { until: Promise.resolve() };
  const down = { yes: false };
  const trigger = new ChangeFeedTrigger(
    fakeFunction("feed", { type: "cosmosDBTrigger", feedPollDelay: 1_000 }),
    {
      store,
      clock,
      log: silentLog,
      invoker: {
        invoke: async (_: unknown, call: Call) => {
          const items = JSON.parse(call.data.json ?? "[]") as number[];
          seen.push(items);
          await hold.until;
          if (options.fail?.(items) === true) throw new Error("refused");
          return {};
        },
      },
      open: async (continuation) => {
        let at = Number(continuation ?? 0);
        return {
          async next() {
            if (down.yes) throw new Error("unreachable");
            const items = changes.slice(at, at + PAGE_ITEMS);
            at += items.length;
            return { items, continuation: String(at) };
          },
        };
      },
    },
  );
  return { trigger, seen, hold, down };
}

async function pass(seconds: number) {
  for (let i = 0; i < seconds * 4; i++) {
    clock.advance(250);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

it("hands every change on once and in order, over all processes and restarts", async () => {
  const [a, b] = [hostProcess("a"), hostProcess("b")];
  changes.push(1, 2, 3);
  a.trigger.start();
  b.trigger.start();
  await pass(3);
  changes.push(4);
  await pass(3);
  await a.trigger.stop();
  await b.trigger.stop();
  changes.push(5);
  const c = hostProcess("c");
  c.trigger.start();
  await pass(3);
  expect([...a.seen, ...b.seen, ...c.seen]).toEqual([[1, 2], [3], [4], [5]]);
});

it("hands the page of a process that froze in its run to another one", async () => {
  const frozen = hostProcess("frozen");
  let thaw: () => void = () => undefined;
  frozen.hold.until = new Promise((resolve) => {
    thaw = resolve;
  });
  changes.push(1);
  frozen.trigger.start();
  await pass(1);
  expect(frozen.seen).toEqual([[1]]);
  // Its clock stands still from here on; time goes on for the others.
  clock = new ManualClock(clock.now() + 10_000);
  const heir = hostProcess("heir");
  heir.trigger.start();
  await pass(2);
  expect(heir.seen).toEqual([[1]]);
  thaw();
  changes.push(2);
  await pass(2);
  expect(heir.seen).toEqual([[1], [2]]);
});

it("goes on after a page that was refused, and after the container was unreachable", async () => {
  const a = hostProcess("a", { fail: (items) => items.includes(1) });
  changes.push(1, 2);
  a.trigger.start();
  await pass(2);
  a.down.yes = true;
  changes.push(3);
  await pass(2);
  expect(a.seen).toEqual([[1, 2]]);
  a.down.yes = false;
  await pass(2);
  expect(a.seen).toEqual([[1, 2], [3]]);
});

it("reads a container's feed with the real SDK, and goes on where it left off", async () => {
  const resources = JSON.parse(
    readFileSync(new URL("../../../infra/resources.json", import.meta.url), "utf8"),
  );
  const cosmos = await startCosmos({
    port: 0,
    databaseFile: ":memory:",
    resources: cosmosResources(resources),
  });
  try {
    const COSMOS = `AccountEndpoint=http://127.0.0.1:${cosmos.port}/;AccountKey=${EMULATOR_KEY};`;
    const fn = fakeFunction("feed", {
      ...{ type: "cosmosDBTrigger", connection: "COSMOS", databaseName: "%DB%", containerName: "control" },
      ...{ startFromBeginning: true, maxItemsPerInvocation: 2 },
    });
    const read = feedOpener(fn, { COSMOS, DB: resources.cosmos.database });
    const client = new CosmosClient(COSMOS);
    const { items } = client.database(resources.cosmos.database).container("control");
    for (const id of ["a", "b", "c"]) await items.create({ id, scope: "s" });

    const idsOf = (page: FeedPage) => page.items.map((item) => (item as { id: string }).id);
    const first = await (await read(undefined)).next();
    expect(idsOf(first)).toEqual(["a", "b"]);
    const later = await read(first.continuation);
    const second = await later.next();
    expect(idsOf(second)).toEqual(["c"]);
    expect(idsOf(await later.next())).toEqual([]);
    await items.create({ id: "d", scope: "s" });
    expect(idsOf(await later.next())).toEqual(["d"]);
    client.dispose();
  } finally {
    await cosmos.close();
  }
});
