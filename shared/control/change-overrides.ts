import type { ControlEvent, JsonValue } from "../audit/control-record.ts";
import {
  type ControlItem,
  type ControlOutcome,
  type ControlTrailStore,
  changeControl,
} from "../audit/control-trail.ts";
import type { Deployment, Route } from "../model/catalogue.ts";
import { readItem } from "../store.ts";
import {
  NO_OVERRIDES,
  type Overrides,
  overridesDocument,
  type Switch,
  type SwitchKind,
} from "./overrides.ts";

export const OVERRIDES_SCOPE = "switches";
export const OVERRIDES_ID = "overrides";

/** Who changes what, and why: as it is written beside the change and in control's audit trail. */
export interface Change {
  /** The same id twice is one change. */
  readonly changeId: string;
  readonly actor: string;
  readonly reason: string | null;
  /** Nothing of that name may be there yet. */
  readonly isOnlyNew?: boolean;
}

export interface ChangeDeps {
  readonly trail: ControlTrailStore;
  readonly clock: { now(): number };
}

/** One kind of setting: which of the lists it is in, what it is about, and its new value; undefined takes it out. */
export type Setting =
  | {
      readonly list: "switches";
      readonly kind: SwitchKind;
      readonly name: string;
      readonly value: Pick<Switch, "state" | "mode"> | undefined;
    }
  | { readonly list: "limits"; readonly name: string; readonly value: Deployment["limits"] | undefined }
  | {
      readonly list: "route_weights";
      readonly name: string;
      readonly value: Readonly<Record<string, number>> | undefined;
    }
  | { readonly list: "tenant_weights"; readonly name: string; readonly value: number | undefined }
  | { readonly list: "deployments"; readonly name: string; readonly value: Deployment | undefined }
  | { readonly list: "routes"; readonly name: string; readonly value: Route | undefined };

/**
 * Changes one setting with its audit record in one batch.
 * @param check is given what is set before and after; what it throws goes to the caller
 * @param file what the file says, for the record of a change from that
 * @throws StoreUnavailable when it is not known whether it was made: the same change id may be sent again
 */
export async function changeOverrides(
  deps: ChangeDeps,
  setting: Setting,
  by: Change,
  check: (after: Overrides, before: Overrides) => void = () => undefined,
  file: object | null = null,
): Promise<ControlOutcome> {
  return changeControl(deps, {
    scope: OVERRIDES_SCOPE,
    changeId: by.changeId,
    actor: by.actor,
    reads: [OVERRIDES_ID],
    decide: (items) => {
      const before = overridesOf(items.get(OVERRIDES_ID)?.value);
      const changed = withSetting(before, setting, { ...by, nowMs: deps.clock.now() });
      if (changed === undefined) return undefined;
      check(changed.overrides, before);
      const item: ControlItem = { id: OVERRIDES_ID, kind: "overrides", ...changed.overrides };
      const details = { ...aboutOf(setting), from: changed.from ?? json(file), to: changed.to };
      return {
        event: eventOf(setting),
        reason: by.reason,
        details,
        writes: [{ kind: "upsert", item }],
      };
    },
  });
}

/** What is stored, or nothing set. @throws UnreadableItem */
export function overridesOf(item: unknown): Overrides {
  return item === undefined
    ? NO_OVERRIDES
    : readItem({ kind: "overrides", document: overridesDocument }, OVERRIDES_ID, item);
}

interface Changed {
  readonly overrides: Overrides;
  readonly from: JsonValue;
  readonly to: JsonValue;
}

/** The overrides with the setting; undefined when that is how they are already. Pure. */
export function withSetting(
  before: Overrides,
  setting: Setting,
  by: { readonly actor: string; readonly reason: string | null; readonly nowMs: number },
): Changed | undefined {
  const made = { at_ms: by.nowMs, actor: by.actor, reason: by.reason };
  const revision = before.revision + 1;
  if (setting.list === "switches") {
    const { kind, name, value } = setting;
    const old = before.switches.find((each) => each.kind === kind && each.name === name);
    const from = old === undefined ? null : { state: old.state, mode: old.mode };
    const others = before.switches.filter((each) => each !== old);
    const switches = value === undefined ? others : [...others, { kind, name, ...value, ...made }];
    return changed({ ...before, revision, switches }, from, value ?? null);
  }
  const { list, name, value } = setting;
  const fields = FIELDS[list];
  const all: readonly Readonly<Record<string, unknown>>[] = before[list];
  const old = all.find((each) => each[fields.name] === name);
  const others = all.filter((each) => each !== old);
  const next =
    value === undefined ? others : [...others, { [fields.name]: name, [fields.value]: value, ...made }];
  const from = old?.[fields.value] as object | number | undefined;
  return changed({ ...before, revision, [list]: next }, from ?? null, value ?? null);
}

/** How the entries of each list name what they are about, and what is set of it. */
const FIELDS = {
  limits: { name: "deployment", value: "limits" },
  route_weights: { name: "route", value: "weights" },
  tenant_weights: { name: "tenant", value: "weight" },
  deployments: { name: "name", value: "deployment" },
  routes: { name: "model", value: "route" },
} as const;

const json = (value: object | number | null) => JSON.parse(JSON.stringify(value)) as JsonValue;

function changed(
  overrides: Overrides,
  from: object | number | null,
  to: object | number | null,
): Changed | undefined {
  const [was, is] = [json(from), json(to)];
  return JSON.stringify(was) === JSON.stringify(is) ? undefined : { overrides, from: was, to: is };
}

function eventOf(setting: Setting): ControlEvent {
  if (setting.list === "limits") return "limits_changed";
  if (setting.list === "deployments") return "deployment_changed";
  if (setting.list === "routes") return "route_changed";
  if (setting.list !== "switches") return "weights_changed";
  if (setting.value === undefined) return "switched_on";
  return setting.value.state === "off" ? "switched_off" : "drained";
}

function aboutOf(setting: Setting): { readonly kind: string; readonly name: string } {
  const kinds = {
    ...{ limits: "deployment", route_weights: "route", tenant_weights: "tenant" },
    ...{ deployments: "deployment", routes: "route" },
  } as const;
  const kind = setting.list === "switches" ? setting.kind : kinds[setting.list];
  return { kind, name: setting.name };
}
