import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withSetting } from "../../../shared/control/change-overrides.ts";
import { effectiveConfiguration } from "../../../shared/control/effective.ts";
import { NO_TENANTS_SET } from "../../../shared/control/managed-tenants.ts";
import {
  abortsCall,
  effectiveCatalogue,
  NO_OVERRIDES,
  type Overrides,
} from "../../../shared/control/overrides.ts";
import { type OverridesStore, watchOverrides } from "../../../shared/control/watch-overrides.ts";
import { FRESH_MS } from "../../../shared/fresh-copy.ts";
import { parseCatalogue } from "../../../shared/model/catalogue.ts";
import { StoreUnavailable } from "../../../shared/store.ts";
import { silent, TestClock, tenantsWith } from "../world.ts";

const deployment = (name: string, provider: string) => ({
  ...{ name, provider, model: `${name}-model`, base_url: "https://example.test/v1", auth: { kind: "none" } },
  endpoints: ["/v1/chat/completions"],
  limits: { requests_per_minute: 10 },
  price: { currency: "USD", input_per_million: 1, output_per_million: 2 },
});
const parsed = parseCatalogue(
  {
    deployments: [deployment("a", "openai"), deployment("b", "xai")],
    routes: [
      { model: "r", strategy: "weighted", targets: [{ deployment: "a", weight: 3 }, { deployment: "b" }] },
    ],
  },
  { settings: {} },
);
if ("faults" in parsed) throw new Error(parsed.faults.join());
const file = parsed.catalogue;

const by = { actor: "ops/key:1", reason: "outage", nowMs: 1_800_000_000_000 };
function set(before: Overrides, setting: Parameters<typeof withSetting>[1]): Overrides {
  const changed = withSetting(before, setting, by);
  if (changed === undefined) throw new Error("nothing changed");
  return changed.overrides;
}
const off = (kind: "provider" | "deployment" | "route", name: string, mode: "park" | "fail_over" = "park") =>
  ({ list: "switches", kind, name, value: { state: "off", mode } }) as const;

describe("what operators set", () => {
  it("switches targets off by deployment, provider and route, and on again", () => {
    const seen = (overrides: Overrides, model = "r") =>
      effectiveCatalogue(file, overrides)
        .model(model)
        ?.targets.map((target) => target.off?.by ?? "on");
    expect(seen(NO_OVERRIDES)).toEqual(["on", "on"]);
    expect(seen(set(NO_OVERRIDES, off("provider", "openai")))).toEqual(["provider openai", "on"]);
    expect(seen(set(NO_OVERRIDES, off("route", "r")))).toEqual(["route r", "route r"]);
    expect(seen(set(NO_OVERRIDES, off("route", "r")), "a-model")).toEqual(["on"]);
    const both = set(set(NO_OVERRIDES, off("provider", "openai")), off("deployment", "a", "fail_over"));
    expect(effectiveCatalogue(file, both).model("r")?.targets[0]?.off).toEqual({
      mode: "fail_over",
      by: "deployment a",
    });
    const again = set(both, { list: "switches", kind: "deployment", name: "a", value: undefined });
    expect(seen(again)).toEqual(["provider openai", "on"]);
    expect(again.revision).toBe(3);
  });

  it("changes limits and weights, and keeps what it does not name", () => {
    const limits = { tokens_per_minute: 5 };
    const changed = set(NO_OVERRIDES, { list: "limits", name: "a", value: limits });
    expect(effectiveCatalogue(file, changed).deployments.map((d) => d.limits)).toEqual([
      limits,
      { requests_per_minute: 10 },
    ]);
    expect(effectiveCatalogue(file, changed).targets("r")[0]?.limits).toEqual(limits);
    const weighted = set(changed, { list: "route_weights", name: "r", value: { b: 9 } });
    expect(
      effectiveCatalogue(file, weighted)
        .model("r")
        ?.targets.map((t) => t.weight),
    ).toEqual([3, 9]);
    const shares = set(weighted, { list: "tenant_weights", name: "team-b", value: 7 });
    const effective = effectiveConfiguration(
      () => file,
      () => tenants,
      { current: () => shares, tenants: () => NO_TENANTS_SET },
      { check: () => [], onLeftOut: () => undefined },
    );
    const tenants = tenantsWith();
    expect(["team-a", "team-b"].map((id) => effective.tenants().get(id)?.weight)).toEqual([1, 7]);
    expect(effective.catalogue()).toBe(effective.catalogue());
    expect(effective.catalogue().revision).toBe(3);
  });

  it("is no change when it is set so already", () => {
    const once = set(NO_OVERRIDES, off("provider", "openai"));
    expect(withSetting(once, off("provider", "openai"), by)).toBeUndefined();
    const on = { list: "switches", kind: "route", name: "r", value: undefined } as const;
    expect(withSetting(once, on, by)).toBeUndefined();
  });

  it("passes over what the file no longer has", () => {
    const gone = set(set(NO_OVERRIDES, off("deployment", "gone")), {
      list: "limits",
      name: "gone",
      value: {},
    });
    expect(
      effectiveCatalogue(file, gone)
        .model("r")
        ?.targets.every((t) => t.off === undefined),
    ).toBe(true);
  });

  it("aborts running calls of what is off, not of what is drained", () => {
    const call = { deployment: "a", provider: "openai", model: "r" };
    for (const [kind, name] of [
      ["provider", "openai"],
      ["deployment", "a"],
      ["route", "r"],
    ] as const) {
      expect(abortsCall(set(NO_OVERRIDES, off(kind, name)), call)).toBe(true);
      const value = { state: "drained", mode: "park" } as const;
      expect(abortsCall(set(NO_OVERRIDES, { list: "switches", kind, name, value }), call)).toBe(false);
    }
    expect(abortsCall(set(NO_OVERRIDES, off("deployment", "r")), call)).toBe(false);
  });

  it("ends where it began, whatever is set and taken back", () => {
    const name = fc.constantFrom("a", "b", "openai", "r");
    const settings = fc.array(
      fc.oneof(
        fc.record({
          list: fc.constant("switches" as const),
          kind: fc.constantFrom("provider" as const, "route" as const),
          name,
          value: fc.constantFrom(
            { state: "off", mode: "park" } as const,
            { state: "drained", mode: "park" } as const,
          ),
        }),
        fc.record({
          list: fc.constant("limits" as const),
          name,
          value: fc.record({ concurrency: fc.integer({ min: 1, max: 9 }) }),
        }),
        fc.record({
          list: fc.constant("tenant_weights" as const),
          name,
          value: fc.integer({ min: 1, max: 9 }),
        }),
      ),
    );
    fc.assert(
      fc.property(settings, (made) => {
        let overrides = NO_OVERRIDES;
        for (const each of made) overrides = withSetting(overrides, each, by)?.overrides ?? overrides;
        for (const each of made) {
          overrides = withSetting(overrides, { ...each, value: undefined }, by)?.overrides ?? overrides;
        }
        expect({ ...overrides, revision: 0 }).toEqual(NO_OVERRIDES);
      }),
    );
  });
});

describe("the watch", () => {
  function watched() {
    const clock = new TestClock();
    const told: number[] = [];
    const asked: (string | undefined)[] = [];
    const store = {
      stored: NO_OVERRIDES,
      away: false,
      readOverrides(etag: string | undefined): ReturnType<OverridesStore["readOverrides"]> {
        asked.push(etag);
        if (this.away) return Promise.reject(new StoreUnavailable("away"));
        const now = String(this.stored.revision);
        return Promise.resolve(etag === now ? "unchanged" : { overrides: this.stored, etag: now });
      },
      readTenants: () => Promise.resolve([]),
    };
    const watch = watchOverrides({
      store,
      clock,
      log: silent,
      onChange: ({ revision }) => told.push(revision),
    });
    return { clock, told, asked, store, watch };
  }
  it("looks where the copy may be old, by conditional reads, and not before", async () => {
    const { clock, told, asked, store, watch } = watched();
    await watch.fresh();
    store.stored = set(NO_OVERRIDES, off("provider", "openai"));
    clock.advance(FRESH_MS);
    await watch.fresh();
    expect(watch.current().switches).toEqual([]);
    clock.advance(1);
    await watch.fresh();
    expect(watch.current().switches).toHaveLength(1);
    clock.advance(10_000);
    await watch.fresh();
    expect(told).toEqual([1]);
    expect(asked).toEqual([undefined, "0", "1"]);
  });

  it("keeps the last known for a while as the store is away, and knows nothing before it was read", async () => {
    const { clock, store, watch } = watched();
    store.away = true;
    await expect(watch.fresh()).rejects.toThrow(StoreUnavailable);
    store.away = false;
    store.stored = set(NO_OVERRIDES, off("provider", "openai"));
    clock.advance(3_000);
    await watch.fresh();
    store.away = true;
    clock.advance(30_000);
    await watch.fresh();
    expect(watch.current().switches).toHaveLength(1);
    // A process that was frozen for longer does not call what may have been switched off since.
    clock.advance(3_000);
    await expect(watch.fresh()).rejects.toThrow(StoreUnavailable);
  });

  it("never goes back to an older version", async () => {
    const { store, watch } = watched();
    const first = set(NO_OVERRIDES, off("provider", "openai"));
    store.stored = set(first, off("provider", "xai"));
    await watch.look();
    store.stored = first;
    await watch.look();
    expect(watch.current().revision).toBe(2);
  });
});
