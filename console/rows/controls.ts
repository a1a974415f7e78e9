import type { Made, Overrides } from "../resources.ts";

/** One thing that operators have set. */
export interface SettingRow {
  readonly kind: string;
  readonly name: string;
  readonly value: string;
  /** Of a switch. */
  readonly state?: string;
  /** To take it back by DELETE. */
  readonly path: string;
  readonly made: Made;
}

/** All that operators have set, the newest first. */
export function settingsOf({
  switches,
  limits,
  route_weights,
  tenant_weights,
}: Overrides): readonly SettingRow[] {
  const rows: SettingRow[] = [
    ...switches.map((each) => ({
      ...{ kind: `switch of a ${each.kind}`, name: each.name, value: each.mode, state: each.state },
      ...{ path: pathOf(`switches/${each.kind}`, each.name), made: each },
    })),
    ...limits.map((each) => ({
      ...{ kind: "limits", name: each.deployment, value: inWords(each.limits) },
      ...{ path: pathOf("limits", each.deployment), made: each },
    })),
    ...route_weights.map((each) => ({
      ...{ kind: "weights of a route", name: each.route, value: inWords(each.weights) },
      ...{ path: pathOf("weights/routes", each.route), made: each },
    })),
    ...tenant_weights.map((each) => ({
      ...{ kind: "weight of a tenant", name: each.tenant, value: String(each.weight) },
      ...{ path: pathOf("weights/tenants", each.tenant), made: each },
    })),
  ];
  return rows.sort((a, b) => b.made.since - a.made.since);
}

/** The path of what operators set, whose name may hold slashes. */
export function pathOf(kind: string, name: string): string {
  return `/api/ops/${kind}/${name.split("/").map(encodeURIComponent).join("/")}`;
}

const inWords = (values: Readonly<Record<string, unknown>>) =>
  Object.entries(values)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${String(value)}`)
    .join(", ");

/** Limits as PUT takes them: those that are filled in. @throws Error where none is */
export function limitsOf(texts: Readonly<Record<string, string>>): Readonly<Record<string, number>> {
  const given = Object.entries(texts).filter(([, value]) => value !== "");
  if (given.length === 0) throw new Error("Fill in one limit at least; those left empty are no limit then.");
  return Object.fromEntries(given.map(([name, value]) => [name, Number(value)]));
}

/** `a=3, b=1` as an object. @throws Error that names what is not of that form */
export function pairsOf(text: string): Record<string, number> {
  const pairs = text
    .split(",")
    .filter((each) => each.trim() !== "")
    .map((each) => {
      const [, name = "", value = ""] = /^\s*(\S+?)\s*=\s*([\d.]+)\s*$/.exec(each) ?? [];
      if (name === "" || !Number.isFinite(Number(value)))
        throw new Error(`“${each.trim()}” is not of the form “name=number”.`);
      return [name, Number(value)] as const;
    });
  return Object.fromEntries(pairs);
}
