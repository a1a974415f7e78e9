import { afterEach, beforeEach, expect, it } from "vitest";
import { correctAccount } from "../../../shared/control/correct-account.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { answer, completion } from "../labs.ts";
import { type Instance, tenantsWith, World } from "../world.ts";

let world: World;
let one: Instance;
beforeEach(async () => {
  world = await World.open({ startMs: Date.UTC(2027, 0, 15, 12) });
  world.tenants = tenantsWith({ currency: "USD", per_month: "0.00003" });
  world.labs.reply("openai-one", answer(200, completion("Hello")));
  one = world.instance();
});
afterEach(() => world.close());

const ACCOUNT = { tenantId: "team-a", currency: "USD" };
const by = (changeId: string) => ({ changeId, actor: "ops/key:1", reason: "a wrong figure" });
const correct = (amount: string, changeId = amount, day = "2027-01-15", on = one) =>
  correctAccount(on.service.accounts, ACCOUNT, { day, amount }, by(changeId));
const spent = async () => (await world.instance("other").service.budgets.account("team-a"))?.spent;
const records = async () => (await world.ports.trail.records("accounts", { limit: 10 })).records;

it("lets jobs go that waited for the money, and is on record in control's chain", async () => {
  const jobs = [await world.accepted(), await world.accepted(), await world.accepted()];
  for (const job of jobs) await one.run(job);
  const [, , last] = jobs;
  if (last === undefined) throw new Error("no job");
  expect(await world.job(last)).toMatchObject({ waiting: { for: "budget", until_ms: Date.UTC(2027, 1, 1) } });
  const made = await correct("-0.00003");
  expect(await spent()).toBe("0.00001");
  const [record] = await records();
  expect(record).toMatchObject({
    ...{ scope: "accounts", event: "account_corrected", actor: "ops/key:1", reason: "a wrong figure" },
    details: { tenant_id: "team-a", currency: "USD", day: "2027-01-15", amount: "-0.00003" },
  });
  expect(made.id).toBe(record?.hash);
  expect(world.nudges.of(last)).toHaveLength(1);
  await one.run(last);
  expect((await world.job(last)).status).toBe("completed");
});

it("is made once for each change id, also where the account could not be written at first", async () => {
  const { budgetLedger } = world.ports;
  let away = true;
  const dying = world.instance("dying", {
    budgetLedger: {
      read: (key) => budgetLedger.read(key),
      due: (...args) => budgetLedger.due(...args),
      write: (...args) => (away ? Promise.reject(new StoreUnavailable("away")) : budgetLedger.write(...args)),
    },
  });
  await expect(correct("7", "x", "2027-01-15", dying)).rejects.toBeInstanceOf(StoreUnavailable);
  expect(await spent()).toBe("0");
  away = false;
  await correct("7", "x", "2027-01-15", dying);
  await correct("7", "x", "2027-01-15");
  expect(await spent()).toBe("7");
  expect(await records()).toHaveLength(1);
});

it("counts in the month of its day", async () => {
  await correct("5", "december", "2026-12-31");
  expect(await spent()).toBe("0");
  const december = await world.ports.budgetLedger.read({
    ...{ tenant_id: "team-a", month: "2026-12", currency: "USD" },
  });
  expect(december?.value).toMatchObject({ spent: "5", days: { "2026-12-31": "5" } });
});
