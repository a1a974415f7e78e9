import type { AuditEvent } from "../../shared/audit/record.ts";
import { COURIER_KINDS, courier } from "./courier.ts";
import type { Evidence } from "./evidence.ts";
import { LAB_DOINGS } from "./hostile-lab.ts";
import { TENANT_KINDS } from "./hostile-tenant.ts";
import type { Injector, Tally } from "./injector.ts";
import { OTHERS, refusedForLong } from "./injectors.ts";
import { LONG_KILLS } from "./kills.ts";

/** What a long run is for; less of it shows nothing. */
export const MIN_KILLS = 60;
export const MIN_ACCEPTED = 1_000;

/** What was done in a run, and what it left behind. */
export interface Shown {
  readonly tally: Tally;
  readonly evidence: Evidence;
}

/** A kind of fault, or of harm's circumstances, that every long run must have shown. */
export interface Kind {
  readonly name: string;
  readonly times: (shown: Shown) => number;
  readonly atLeast?: number;
}

const INJECTORS: readonly Injector[] = [
  ...LONG_KILLS.map(([, injector]) => injector),
  ...OTHERS.map(([, injector]) => injector),
  refusedForLong,
];

/** Counted by their injectors; the courier's by what he did with each message. */
const tallied = (name: string): Kind => ({ name, times: ({ tally }) => tally.counts.get(name) ?? 0 });
const INJECTED = INJECTORS.filter((injector) => injector !== courier).map(({ name }) => tallied(name));

/** Counted by the simulated labs. */
const LABS: readonly Kind[] = (
  [
    ["latency", "answers late"],
    ["hang", "never answers"],
    ["status", "answers with an error"],
    ["reset", "resets the connection"],
    ["half", "half answers"],
    ["html", "answers HTML"],
    ["empty", "answers nothing"],
    ["broken_json", "answers broken JSON"],
    ["huge", "answers 100 MB"],
  ] as const
).map(([fault, does]) => ({
  name: `a lab ${does}`,
  times: ({ evidence }) => evidence.calls.filter((call) => call.fault === fault).length,
}));

const HOSTILE_LAB: readonly Kind[] = LAB_DOINGS.map((doing) => ({
  name: `the hostile lab: ${doing}`,
  times: ({ evidence }) => evidence.calls.filter((call) => call.fault === doing).length,
}));

const told = (action: "cancel" | "delete", status: number) => (shown: Shown) =>
  shown.evidence.promises.filter((promise) => promise.action === action && promise.status === status).length;
const records = (event: AuditEvent) => (shown: Shown) =>
  shown.evidence.stored.flatMap(({ trail }) => trail).filter((record) => record.event === event).length;

/** More than any delay on one machine, less than hosts' clocks are apart: seconds by which a trail goes back. */
const BACK_SECONDS = 20;

const MET: readonly Kind[] = [
  { name: "jobs accepted", times: ({ evidence }) => acceptedOf(evidence), atLeast: MIN_ACCEPTED },
  { name: "processes killed", times: ({ tally }) => tally.kills, atLeast: MIN_KILLS },
  { name: "attempts lost with their workers", times: records("attempt_lost") },
  { name: "attempts whose worker came too late", times: records("attempt_superseded") },
  { name: "cancels", times: told("cancel", 200) },
  { name: "deletes", times: told("delete", 204) },
  { name: "deadlines passed", times: records("expired") },
  ...(["whole", "stream"] as const).map((as) => ({
    name: `calls of OpenAI's SDK answered, as ${as}`,
    times: ({ evidence }: Shown) => evidence.held.filter((call) => call.as === as && call.isAnswered).length,
  })),
  ...["completed", "cancelled"].map((status) => ({
    name: `batches ${status}`,
    times: ({ evidence }: Shown) => evidence.batches.filter(({ end }) => end?.status === status).length,
  })),
  {
    name: "lines of batches with a lost attempt",
    times: ({ evidence }) =>
      evidence.stored.filter(
        ({ job, trail }) =>
          job.batch_line !== undefined && trail.some(({ event }) => event === "attempt_lost"),
      ).length,
  },
  {
    name: "background responses whose stream was taken up again",
    times: ({ evidence }) =>
      (evidence.background ?? []).filter(({ final, resumes }) => final !== undefined && resumes > 0).length,
  },
  {
    name: "events told more than once",
    times: ({ evidence: { events } }) =>
      (events?.received.length ?? 0) - new Set(events?.received.map(({ id }) => id)).size,
  },
  {
    name: "jobs that an automatic retry joined",
    times: ({ evidence }) => evidence.stored.filter(({ job }) => job.joined_by !== undefined).length,
  },
  {
    name: "submits repeated with their key",
    times: ({ evidence }) =>
      evidence.submissions.filter((s) => s.answers.filter(({ status }) => status === 202).length > 1).length,
  },
  ...[1, 2].map((version) => ({
    name: `jobs last written by a host of version ${version}`,
    times: ({ evidence }: Shown) => evidence.stored.filter(({ job }) => job.v === version).length,
  })),
  {
    name: "trails written by clocks that differ",
    times: ({ evidence }) =>
      evidence.stored.filter(({ trail }) =>
        trail.some((record, n) => record.at < (trail[n - 1]?.at ?? 0) - BACK_SECONDS),
      ).length,
  },
];

export const KINDS: readonly Kind[] = [
  ...INJECTED,
  ...COURIER_KINDS.map(tallied),
  ...TENANT_KINDS.map(tallied),
  ...LABS,
  ...HOSTILE_LAB,
  ...MET,
];

export function acceptedOf({ submissions }: Evidence): number {
  return submissions.filter((s) => s.answers.some(({ status }) => status === 202)).length;
}

/** The kinds that a run was to show and did not: whatever it says of the promises, it says less than it should. */
export function notShown(shown: Shown): string[] {
  return KINDS.filter(({ times, atLeast = 1 }) => times(shown) < atLeast).map(({ name }) => name);
}

/** Injectors that have not done their harm yet. */
export function missingHarm(tally: Tally): readonly Injector[] {
  const isMissing = (name: string) => (tally.counts.get(name) ?? 0) === 0;
  return INJECTORS.filter((injector) =>
    injector === courier ? COURIER_KINDS.some(isMissing) : isMissing(injector.name),
  );
}
