import type { AuditRecord } from "../audit/record.ts";
import { isEnded, type Job, leaseOf } from "../job/job.ts";
import { waitOf } from "../job/waits-for.ts";
import type { Deployment } from "../model/catalogue.ts";
import { hasEnded, type Status } from "../status.ts";
import { GEN_AI, type MetricName, operationName, providerName } from "./names.ts";
import type { Change } from "./telemetry.ts";

export type Attributes = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** A span as it is told, after its end. Times in Unix ms. */
export interface ToldSpan {
  readonly name: string;
  readonly isCall?: boolean;
  /** The span that all others of the job are under. */
  readonly isRoot?: boolean;
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Attributes;
  /** What went wrong, in a word of ours; absent: nothing. */
  readonly error?: string;
}

export interface Measure {
  readonly name: MetricName;
  readonly value: number;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface Tale {
  /** Each is made only where the job is traced. */
  readonly spans: readonly (() => ToldSpan)[];
  readonly measures: readonly Measure[];
}

/** Where a call went, as far as the catalogue still knows it. */
export type CalledDeployment = Pick<Deployment, "model" | "base_url"> | undefined;

/**
 * What a stored change tells: everything follows from the job and its audit records, so that nothing is told that did
 * not happen, and a worker that died is told of by the one that finds its lease dead. Ids, names, numbers and words of
 * ours alone: no prompt, no answer, no key, no metadata, no words of a lab.
 */
export function taleOf(change: Change, deployment: (name: string) => CalledDeployment): Tale {
  const { job, records, decidedMs } = change;
  const spans: (() => ToldSpan)[] = [];
  const span = (told: () => ToldSpan) => spans.push(told);
  const measures: Measure[] = [];
  const measure = (name: MetricName, value: number, attributes: Measure["attributes"]) =>
    measures.push({ name, value, attributes });
  const writing = { startMs: decidedMs, endMs: Math.max(change.storedMs, decidedMs) };

  const left = waitThatEnded(change);
  if (left !== null) {
    const attributes = { "switchyard.wait.reason": left.reason };
    span(() => ({ name: "wait", startMs: left.since_ms, endMs: decidedMs, attributes }));
    measure("switchyard.wait.duration", seconds(decidedMs - left.since_ms), { reason: left.reason });
  }
  for (const record of records) {
    const { event } = record;
    if (isOfACall(record)) {
      const told = callOf(record, change, deployment(record.deployment ?? ""));
      span(told.span);
      measures.push(...told.measures);
    }
    const waits = waitThatBegan(record, job);
    if (waits !== undefined) measure("switchyard.waits", 1, { reason: waits });
    if (event === "accepted") {
      const { priority, endpoint } = job;
      span(() => ({ name: "accept", ...writing, attributes: { "switchyard.priority": priority } }));
      measure("switchyard.jobs.accepted", 1, { priority, endpoint, model: job.model });
    } else if (event === "attempt_started") {
      const attributes = { ...attemptOf(record), "switchyard.reason": record.reason ?? "only_one" };
      span(() => ({ name: "claim", ...writing, attributes }));
    } else if (isEnded(job) && hasEnded(event as Status)) {
      const { status, error } = job;
      const attributes = { "switchyard.status": status, "switchyard.attempts": job.attempts };
      const failure = error === null ? {} : { error: error.code };
      span(() => ({ name: "end", ...writing, attributes, ...failure }));
      const whole = { startMs: job.created_at_ms, endMs: decidedMs, attributes, ...failure };
      span(() => ({ name: "job", isRoot: true, ...whole }));
      measure("switchyard.jobs.ended", 1, { status, ...(error && { "error.type": error.code }) });
      measure("switchyard.job.duration", seconds(decidedMs - job.created_at_ms), { status });
    }
  }
  return { spans, measures };
}

const seconds = (ms: number) => Math.max(0, ms) / 1000;

/** What every span of a job has. */
export const jobAttributes = (job: Job): Attributes => ({
  "switchyard.job.id": job.job_id,
  "switchyard.tenant.id": job.tenant_id,
  "switchyard.model": job.model,
});

/** How the job waited before, if it does not wait that way any more. */
function waitThatEnded({ job, from }: Change) {
  if (from?.status !== "queued" || from.waiting === null) return null;
  if (job.status === "queued" && job.waiting === from.waiting) return null;
  return waitOf(from, Math.max(from.waiting.since_ms ?? from.created_at_ms, from.not_before_ms ?? 0));
}

/** A line of a batch waits from its first record on. */
function waitThatBegan({ event, reason }: AuditRecord, job: Job): string | undefined {
  if (event === "waiting") return reason ?? "";
  if (event !== "accepted" || job.status !== "queued") return undefined;
  return job.waiting?.for === "quota" ? job.waiting.cause : undefined;
}

const isOfACall = ({ event, outcome }: AuditRecord) => event === "attempt_lost" || outcome !== null;

const attemptOf = ({ attempt, deployment }: AuditRecord): Attributes => ({
  "switchyard.attempt": attempt ?? 0,
  "switchyard.deployment": deployment ?? "",
});

/** A call by the record that ends it. One that was lost began with its lease. */
function callOf(record: AuditRecord, { job, from, decidedMs }: Change, called: CalledDeployment) {
  const { usage, cost } = record;
  const outcome = record.outcome ?? "lost";
  const error = outcome === "lost" ? "worker_lost" : outcome;
  const failure = outcome === "completed" ? {} : { error };
  const operation = operationName(job.endpoint);
  const model = called?.model ?? job.model;
  const names = {
    [GEN_AI.operation]: operation,
    [GEN_AI.provider]: providerName(record.provider ?? ""),
    [GEN_AI.requestModel]: model,
  };
  const began = record.event === "attempt_lost" && from !== undefined ? leaseOf(from) : null;
  const span = (): ToldSpan => ({
    ...{ name: `${operation} ${model}`, isCall: true, ...failure },
    startMs: began?.started_at_ms ?? decidedMs - (record.latency_ms ?? 0),
    endMs: decidedMs,
    attributes: {
      ...{ ...names, ...attemptOf(record), "switchyard.outcome": outcome },
      "switchyard.simulated": record.simulated === true,
      ...known({
        [GEN_AI.inputTokens]: usage?.input_tokens,
        [GEN_AI.outputTokens]: usage?.output_tokens,
        [GEN_AI.cachedTokens]: usage?.cached_input_tokens,
        [GEN_AI.reasoningTokens]: usage?.reasoning_tokens,
        [GEN_AI.finishReasons]:
          outcome === "completed" && isEnded(job) && job.incomplete !== undefined
            ? [job.incomplete]
            : undefined,
        "switchyard.cost": cost?.amount,
        "switchyard.cost.currency": cost?.currency,
      }),
      ...(called === undefined ? {} : serverOf(called.base_url)),
    },
  });
  const of = record.deployment ?? "";
  const measures: Measure[] = [
    { name: "switchyard.calls", value: 1, attributes: { deployment: of, outcome } },
    ...measured("gen_ai.client.operation.duration", record.latency_ms, {
      ...{ ...names, ...("error" in failure ? { "error.type": error } : {}) },
    }).map((each) => ({ ...each, value: each.value / 1000 })),
    ...measured("gen_ai.client.token.usage", usage?.input_tokens, { ...names, [GEN_AI.tokenType]: "input" }),
    ...measured("gen_ai.client.token.usage", usage?.output_tokens, {
      ...names,
      [GEN_AI.tokenType]: "output",
    }),
    ...(cost === null
      ? []
      : measured("switchyard.cost", Number(cost.amount), { deployment: of, currency: cost.currency })),
  ];
  return { span, measures };
}

/** Nothing, where it is not known. */
const measured = (name: MetricName, value: number | null | undefined, attributes: Measure["attributes"]) =>
  typeof value === "number" ? [{ name, value, attributes }] : [];

type Attribute = Attributes[string];
const known = (told: Readonly<Record<string, Attribute | null | undefined>>): Attributes =>
  Object.fromEntries(
    Object.entries(told).filter(
      (each): each is [string, Attribute] => each[1] !== undefined && each[1] !== null,
    ),
  );

function serverOf(baseUrl: string): Attributes {
  const { hostname, port, protocol } = new URL(baseUrl);
  const otherwise = protocol === "https:" ? 443 : 80;
  return { "server.address": hostname, "server.port": port === "" ? otherwise : Number(port) };
}
