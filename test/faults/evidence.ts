import type { AuditRecord } from "../../shared/audit/record.ts";
import type { JobDocument } from "../../shared/azure/cosmos/job-document.ts";
import type { StoredResponse } from "../../shared/job/job.ts";
import type { Status } from "../../shared/status.ts";
import type { BackgroundCall } from "./background-client.ts";
import type { Events } from "./receiver.ts";

/** All that a run leaves behind to be judged: what the client was told, what is stored, what the models counted. */
export interface Evidence {
  readonly submissions: readonly Submission[];
  readonly sightings: readonly Sighting[];
  readonly promises: readonly ToldEnd[];
  /** Calls of the OpenAI door. */
  readonly held: readonly HeldCall[];
  readonly batches: readonly SeenBatch[];
  /** Background responses of it, and what tenants were told; absent: nobody looked. */
  readonly background?: readonly BackgroundCall[];
  readonly events?: Events;
  readonly stored: readonly StoredJob[];
  readonly calls: readonly CountedCall[];
  /** Messages by queue and state, once all was quiet or the patience was over. */
  readonly queues: Readonly<Record<string, number>>;
  /** Host processes that were killed: a call they had in hand may have cost what nobody can know. */
  readonly hostsKilled: number;
  /**
   * When replicas lagged, by the client's own count: meanwhile a read may show an older status, or none. An ended job
   * never shows another end.
   */
  readonly stale: readonly { readonly from: number; readonly to: number }[];
  readonly maxAttempts: number;
}

/** One job a client wanted, and every answer to every try to submit it. */
export interface Submission {
  /** Unique in the run, sent as metadata: by it a twin is found. */
  readonly label: string;
  readonly tenant: string;
  readonly key: string | null;
  readonly answers: readonly SubmitAnswer[];
  /** Nothing of its own stands against its completion: no deadline, cancel or fault was asked for, and no hostile lab. */
  readonly mustComplete: boolean;
}

export interface SubmitAnswer {
  /** Null: no answer came, the job may or may not be there. */
  readonly status: number | null;
  readonly jobId: string | null;
}

/** A status a client was shown. */
export interface Sighting {
  readonly jobId: string;
  /** "absent": 404. */
  readonly status: Status | "absent";
  /** Whether its response was shown with it. */
  readonly hasResponse?: boolean;
  /** When it was asked and when it was answered, by the client's own count: in between, either may be true. */
  readonly asked: number;
  readonly answered: number;
}

/** A call through OpenAI's SDK, and its automatic retries. */
export interface HeldCall {
  /** As it was sent, of which there is no other in the run. */
  readonly body: object;
  readonly as: "whole" | "stream";
  readonly tries: readonly HeldTry[];
  readonly isAnswered: boolean;
}

/** A batch, and what its client was told of it. */
export interface SeenBatch {
  readonly customIds: readonly string[];
  /** Null: it was never made, as far as is known. */
  readonly id: string | null;
  /** Null: it had not ended when patience was over. */
  readonly end: {
    readonly status: string;
    readonly counts: { readonly total: number; readonly completed: number; readonly failed: number };
  } | null;
  /** Names of the lines in its files; null: one that is there was not to be had. */
  readonly output: readonly string[] | null;
  readonly errors: readonly string[] | null;
}

export interface HeldTry {
  readonly asked: number;
  answered: number;
  /** When it was sent, Unix ms. */
  readonly atMs: number;
  /** As its answer's head says; null: none came. */
  jobId: string | null;
}

/** What a cancel or a delete was answered. */
export interface ToldEnd {
  readonly jobId: string;
  readonly action: "cancel" | "delete";
  readonly status: number | null;
}

/** What the store holds of a job. */
export interface StoredJob {
  readonly job: JobDocument;
  readonly hasRequest: boolean;
  readonly response: StoredResponse | undefined;
  readonly trail: readonly AuditRecord[];
  /**
   * When each record of the trail was stored, Unix seconds by the store's clock: hosts' clocks differ. Of the first, which
   * lie in the job's item, when they were decided.
   */
  readonly storedAt: readonly number[];
}

/** A call as the simulated endpoints counted it: on disk before it was answered. */
export interface CountedCall {
  readonly seq: number;
  readonly job: string | null;
  readonly attempt: string | null;
  readonly status: number | null;
  readonly request_sha256: string;
  readonly input_tokens: number;
  readonly output_tokens: number;
  /** What was done instead of a plain answer; the hostile lab does nothing else (hostile-lab.ts). */
  readonly fault: string | null;
}

export const PROMISES = [
  "a_202_ends",
  "no_twin",
  "one_result",
  "calls_are_recorded",
  "costs_add_up",
  "chains_hold",
  "queues_are_empty",
  "an_end_is_final",
  "same_key_same_job",
  "told_is_true",
  "attempts_are_bounded",
  "neighbours_are_borne",
  "a_retry_joins",
  "answers_are_own",
  "harm_is_ones_own",
  "a_batch_ends",
  "lines_are_in_one_file",
  "a_line_is_called_once",
  "streams_are_whole",
  "events_are_told",
  "events_are_true",
] as const;
export type Promised = (typeof PROMISES)[number];

export interface Violation {
  readonly promise: Promised;
  readonly jobId: string | null;
  readonly why: string;
}
