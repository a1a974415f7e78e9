import { afterAll, expect, it } from "vitest";
import { changeControl } from "../../../../shared/audit/control-trail.ts";
import { NO_SEAL, nextSeal } from "../../../../shared/audit/seal/seal.ts";
import {
  budgetPlace,
  controlHeadPlace,
  deadLetterPlace,
  overridesPlace,
  type Place,
  poolPlace,
  sealHeadPlace,
} from "../../../../shared/azure/cosmos/items.ts";
import { newAccount } from "../../../../shared/budget/account.ts";
import { changeOverrides } from "../../../../shared/control/change-overrides.ts";
import { newPool } from "../../../../shared/quota/belief/pool.ts";
import { STORED_VERSION } from "../../../../shared/store.ts";
import { World } from "../../world.ts";

/** A host of the next version has written over an item of `control`, which this one writes over again. */
const opened = await World.open();
afterAll(() => opened.close());
const { clock } = opened;

const pool = { pool: newPool({ requests_per_minute: 60 }, 0), breakers: {}, backlog_until_ms: 0 };
const account = { tenant_id: "team-a", month: "2027-01", currency: "USD" };
const letter = { id: `dl_${"0".repeat(32)}`, message_id: "m", reason: "r", description: "", at_ms: 0 };
const change = { scope: "switches", actor: "ops", reads: [] } as const;
const seal = { sealed_at: 1, until: null, run: "r", leaves: 0, chunks: 0, root: "r" };

/** How this version writes over an item, once it has read it. */
interface Written {
  readonly place: Place;
  readonly write: () => Promise<unknown>;
}

function written(): Record<string, Written> {
  const { quotaLedger: pools, budgetLedger: budgets } = opened.ports;
  const { trail, deadLetters: letters, seals } = opened.ports;
  let count = 0;
  const setWeight = () => {
    const setting = { list: "tenant_weights", name: "team-a", value: ++count } as const;
    return changeOverrides({ trail, clock }, setting, { changeId: `w${count}`, actor: "ops", reason: null });
  };
  return {
    pool: {
      place: poolPlace("p"),
      write: async () => pools.write([{ pool: "p", record: pool, etag: (await pools.read("p"))?.etag }]),
    },
    "pool, with others": {
      place: poolPlace("q"),
      write: async () => {
        const etag = (await pools.read("q"))?.etag;
        const both = (q: string | undefined, r?: string) =>
          pools.write([
            { pool: "q", record: pool, etag: q },
            { pool: "r", record: pool, etag: r },
          ]);
        const once = await both(etag, (await pools.read("r"))?.etag);
        // Again by the etags that this gave, without another read.
        if (once.kind === "written") await both(once.etags[0], once.etags[1]);
      },
    },
    budget: {
      place: budgetPlace(account),
      write: async () => {
        const found = await budgets.read(account);
        await budgets.write(account, found?.value ?? newAccount("2027-01", "USD"), found?.etag);
      },
    },
    overrides: { place: overridesPlace, write: setWeight },
    "control's head": {
      place: controlHeadPlace("switches"),
      write: () =>
        changeControl(
          { trail, clock },
          { ...change, changeId: `c${++count}`, decide: () => ({ event: "drained", writes: [] }) },
        ),
    },
    "dead letter": {
      place: deadLetterPlace(letter.id),
      write: async () => {
        await letters.keep({ ...letter, nudge: null });
        const view = await trail.view("dead_letters", "r", [letter.id]);
        const stored = view.items.get(letter.id);
        if (stored === undefined) throw new Error("the letter is gone");
        const item = { ...stored.value, reason: "changed" };
        const at = { ...change, scope: "dead_letters" as const, changeId: `r${++count}` };
        const decide = () => ({ event: "redriven" as const, writes: [{ kind: "replace" as const, item }] });
        await changeControl({ trail, clock }, { ...at, decide });
      },
    },
    "seals' head": {
      place: sealHeadPlace,
      write: async () => {
        const head = await seals.sealHead();
        const { n } = head?.value ?? NO_SEAL;
        await seals.write(nextSeal(head?.value ?? NO_SEAL, { ...seal, to_ts: (n + 1) * 86_400 }), head?.etag);
      },
    },
  };
}

it.each(["pool", "pool, with others", "budget", "overrides", "control's head", "dead letter", "seals' head"])(
  "what this version does not know is kept when it writes over a %s",
  async (name) => {
    const { place, write } = written()[name] as Written;
    await write();
    const item = opened.control.item(place.id, place.partition);
    const { resource: own } = await item.read<Record<string, unknown>>();
    expect(own).toMatchObject({ v: STORED_VERSION });
    const next = { v: STORED_VERSION + 1, next_field: { kept: true } };
    const { resource: before } = await item.replace<object>({ ...own, ...next } as never);
    await write();
    const { resource: after } = await item.read();
    expect(after).toMatchObject(next);
    expect(after._etag).not.toBe((before as { _etag?: string } | undefined)?._etag);
    expect(Object.keys(after).sort()).toEqual(Object.keys({ ...own, ...next }).sort());
  },
);
