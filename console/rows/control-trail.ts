import type { Link } from "./trail.ts";

/** Chains of what operators changed, each with what it has. */
export const SCOPES = {
  switches: "settings: switches, limits, models, tenants, keys",
  accounts: "corrections of budgets",
  dead_letters: "redrives and dismissals of dead letters",
  audit: "what a trail must say",
  secrets: "secrets of the service",
} as const;

/** One change by an operator, as far as the console looks at it; its hash covers every field there is. */
export interface ControlRecord extends Link {
  readonly seq: number;
  readonly at: number;
  readonly event: string;
  readonly actor: string;
  readonly reason: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface ControlPage {
  /** Newest first. */
  readonly data: readonly ControlRecord[];
  readonly has_more: boolean;
}

/** What was read before and the newest page, oldest first. Where there is a gap between, only the page is left. */
export function joined(
  known: readonly ControlRecord[],
  { data }: Pick<ControlPage, "data">,
): readonly ControlRecord[] {
  const page = data.toReversed();
  const first = page[0];
  if (first === undefined) return known;
  const before = known.filter(({ seq }) => seq < first.seq);
  return (before.at(-1)?.seq ?? first.seq - 1) === first.seq - 1 ? [...before, ...page] : page;
}

/** Whether records that are older are missing. */
export function isPart(records: readonly ControlRecord[]): boolean {
  return (records[0]?.seq ?? 1) > 1;
}

/** What a change was about: names and figures of its details, without what it was and became. */
export function aboutOf({ details }: Pick<ControlRecord, "details">): string {
  return Object.entries(details)
    .filter(
      ([name, value]) => !/^(from|to|before|after)$/.test(name) && /^(string|number)$/.test(typeof value),
    )
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${String(value)}`)
    .join(", ");
}

/** Records as a file has them: one JSON object a line, the first first. */
export function asLines(records: readonly ControlRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join("");
}
