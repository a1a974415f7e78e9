/** What an operator asked for of many jobs or letters at once. */
export interface Operation {
  readonly id: string;
  readonly kind: string;
  readonly status: "in_progress" | "ended";
  readonly created_at: number;
  readonly stopped_by: string | null;
  readonly counts: Readonly<Record<string, number>>;
}

/** Those of a kind that go on, and its newest one. @param operations the newest first */
export function shownOf(operations: readonly Operation[], kind: string): readonly Operation[] {
  return operations
    .filter((each) => each.kind === kind)
    .filter(({ status }, at) => at === 0 || status === "in_progress");
}

/** `Under way: 3 nudged, 1 new jobs` */
export function operationWords({ status, stopped_by, counts }: Operation): string {
  const done = Object.entries(counts).map(([name, count]) => `${count} ${name.replaceAll("_", " ")}`);
  const state = status === "in_progress" ? "Under way" : stopped_by === null ? "Done" : "Stopped";
  return [state, ...(done.length > 0 ? [done.join(", ")] : [])].join(": ");
}
