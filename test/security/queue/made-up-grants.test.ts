import { afterEach, beforeEach, expect, it } from "vitest";
import { rotateRoot } from "../../../shared/control/secrets.ts";
import type { Nudge } from "../../../shared/job/ports.ts";
import { answer, completion } from "../../shared/labs.ts";
import { type Instance, World } from "../../shared/world.ts";

/** Who may send on the queue makes up grants: each counts as none, and nothing is given back for it. */
let world: World;
let one: Instance;
let running: Nudge;
let waiting: Nudge;

beforeEach(async () => {
  world = await World.open();
  // One call a second: the second job waits in line.
  world.catalogue = world.labs.catalogue(
    { name: "openai-one", limits: { requests_per_minute: 60 } },
    "xai-two",
  );
  world.labs.reply("openai-one", answer(200, completion("Hello")));
  one = world.instance();
  running = await world.accepted();
  waiting = await world.accepted();
  await one.run(running);
  await one.run(waiting);
  expect((await world.job(waiting)).status).toBe("queued");
});
afterEach(() => world.close());

const amounts = (tokens: number) => ({
  ...{ tokens, at_ms: world.clock.now(), spent_requests: 0, spent_tokens: tokens },
  ...{ burst_requests: 0, burst_tokens: tokens },
});
const made = (tokens = 1) => ({
  ...{ deployment: "openai-one", taken: amounts(tokens), lapses_ms: world.clock.now() + 10_000 },
});

async function changesNothing(nudge: Nudge): Promise<void> {
  const [job, pool] = [await world.job(waiting), await world.ports.quotaLedger.read("openai-one")];
  await one.run(nudge);
  expect(await world.job(waiting)).toEqual(job);
  expect((await world.ports.quotaLedger.read("openai-one"))?.value).toEqual(pool?.value);
  expect(world.labs.calls).toHaveLength(1);
}

it("without a signature, with a wrong one, or signed for another job or more", async () => {
  const { grant } = await world.granted(waiting, made());
  if (grant === undefined) throw new Error("no grant");
  const { kid = "", mac = "" } = grant;
  const forged: Record<string, unknown>[] = [
    { ...made(), mac: "00", kid },
    { ...made(), kid: "another", mac },
    { ...grant, taken: amounts(-1e15) },
    { ...grant, lapses_ms: grant.lapses_ms + 1e9 },
    { ...grant, deployment: "xai-two" },
    { ...grant, mac: mac.replace(/^./, (digit) => (digit === "0" ? "1" : "0")) },
    (await world.granted(running, made())).grant as never,
    { ...made(-1e15) },
    { deployment: "openai-one", taken: {}, lapses_ms: world.clock.now() + 10_000 },
  ];
  for (const each of forged) await changesNothing({ ...waiting, grant: each as never });
});

it("neither ends a made-up lateness a job that waits before its deadline", async () => {
  const soon = await world.accepted({ deadlineMs: world.clock.now() + 20_000 });
  await one.run(soon);
  const { late } = await world.late(running);
  for (const said of [true, { kid: "0", mac: "0" }, late] as never[]) await one.run({ ...soon, late: said });
  expect((await world.job(soon)).status).toBe("queued");
  await one.run(await world.late(soon));
  expect((await world.job(soon)).status).toBe("expired");
});

it("and one that is the dispatcher's counts, by the root before too, and not by the one before that", async () => {
  const signed = async () => world.granted(waiting, made());
  const by = { changeId: "one", actor: "ops/key:0", reason: null };
  const deps = { trail: world.ports.trail, clock: world.clock, randomHex: (n: number) => "5".repeat(2 * n) };
  const old = await signed();
  await rotateRoot(deps, by);
  await rotateRoot({ ...deps, randomHex: (n) => "6".repeat(2 * n) }, { ...by, changeId: "two" });
  const fresh = world.instance("fresh");
  const before = (await world.job(waiting)).attempts;
  await fresh.run(old);
  expect((await world.job(waiting)).attempts).toBe(before);
  await fresh.run(await signed());
  expect((await world.job(waiting)).status).toBe("completed");
});
