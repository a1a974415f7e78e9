import { BATCH_MUTANTS } from "./batch-mutants.ts";
import { HOSTILE } from "./hostile-lab.ts";
import type { Mutant } from "./mutant.ts";

export const MUTANTS: readonly Mutant[] = [
  {
    promise: "a_retry_joins",
    bug: "an automatic retry is a call like any other",
    patches: [["job/intake/intake.ts", "held.retries > 0) {", "held.retries > 99) {"]],
    wish: {
      prompt: "[[sim:latency_ms=1500]]",
      held: { as: "whole", breakAfterMs: 400 },
    },
  },
  {
    promise: "a_202_ends",
    bug: "a worker takes every job for ended",
    patches: [["job/run/run.ts", '  if (isEnded(job)) return "done";', '  return "done";']],
    wish: {},
  },
  {
    promise: "same_key_same_job",
    bug: "the idempotency key is not looked at",
    patches: [["job/intake/submit.ts", "jobIdOfKey(tenantId, idempotencyKey)", "deps.newJobId()"]],
    wish: { key: "the-key", repeatAfterMs: [200] },
  },
  {
    promise: "no_twin",
    bug: "a job is stored twice, under two ids",
    patches: [
      [
        "job/intake/submit.ts",
        "const created = await create(deps, stored, nowMs)",
        `await create(deps, acceptJob(submission, { tenantId, jobId: deps.newJobId(), actor, nowMs,
          nudgeGraceMs, retention }), nowMs);
        const created = await create(deps, stored, nowMs)`,
      ],
    ],
    wish: {},
  },
  {
    promise: "one_result",
    bug: "the trail names another answer than the one that is stored",
    patches: [
      ["job/life-cycle.ts", "response_sha256: call.responseSha256", 'response_sha256: "0".repeat(64)'],
    ],
    wish: {},
  },
  {
    promise: "calls_are_recorded",
    bug: "a call that was cut off by a cancel is forgotten",
    patches: [
      [
        "job/run/run.ts",
        "  const late = { attempt: claimed.attempts,",
        "  if (claimed.attempts > 0) return;\n  const late = { attempt: claimed.attempts,",
      ],
    ],
    wish: { prompt: "[[sim:latency_ms=1500]]", cancelAfterMs: 300 },
  },
  {
    promise: "costs_add_up",
    bug: "the cost of the call that ends a job counts twice",
    patches: [
      [
        "job/ending/end.ts",
        "withCost(job, job.attempts, call)",
        "withCost({ ...job, ...withCost(job, job.attempts, call) }, job.attempts, call)",
      ],
    ],
    wish: {},
  },
  {
    promise: "chains_hold",
    bug: "a record does not name the one before",
    patches: [["audit/record.ts", "prev_hash: head.hash", 'prev_hash: "0".repeat(64)']],
    wish: {},
  },
  {
    promise: "queues_are_empty",
    bug: "every nudge leaves another behind",
    patches: [
      [
        "job/run/run.ts",
        "  const { value: job, etag } = found.job;",
        "  await deps.nudges.send(nudge, { atMs: Date.now() + 600_000 });\n  const { value: job, etag } = found.job;",
      ],
    ],
    wish: {},
  },
  {
    promise: "an_end_is_final",
    bug: "a cancel overwrites a result",
    patches: [
      [
        "job/ending/cancel.ts",
        "    isEnded(job) || !isSuch(job)\n      ? undefined",
        "    job === undefined\n      ? undefined",
      ],
    ],
    wish: { cancelAfterMs: 2_500 },
  },
  {
    promise: "told_is_true",
    bug: "a delete is answered, and nothing is deleted",
    patches: [["job/ending/delete-content.ts", "job.content_deleted ? undefined", "true ? undefined"]],
    wish: { deleteAfterEnd: true },
  },
  {
    promise: "attempts_are_bounded",
    bug: "attempts have no end",
    patches: [["job/advance.ts", "job.attempts_spent >= c.maxAttempts", "false"]],
    wish: { prompt: "[[sim:half,times=3]]" },
  },
  {
    promise: "neighbours_are_borne",
    bug: "a field of the next version is lost when a job is written again",
    patches: [
      ["job/intake/accept.ts", "others: { v: STORED_VERSION }", "others: { v: 2, of_the_next: true }"],
      // In the write, for a worker that accepted the job itself does not read it.
      [
        "azure/cosmos/job-store.ts",
        "resourceBody: itemBody(this.#jobItem(job, nowMs))",
        "resourceBody: itemBody(this.#jobItem({ ...job, others: { v: 2 } }, nowMs))",
      ],
    ],
    wish: {},
  },
  {
    promise: "answers_are_own",
    bug: "a tenant is given the answer for another",
    patches: [
      [
        "model/client.ts",
        "const bytes = await decodedBody(answer, MAX_RESPONSE_BYTES);",
        `const own = await decodedBody(answer, MAX_RESPONSE_BYTES);
        const bytes = Buffer.from(own.toString().replace("team-a", "team-b"));`,
      ],
    ],
    wish: {
      body: {
        model: HOSTILE.model,
        messages: [
          { role: "user", content: "[[mallory: lies in its usage]] note one of team-a: it rained." },
        ],
      },
    },
  },
  {
    promise: "streams_are_whole",
    bug: "a stream that is taken up again leaves out an event",
    patches: [
      [
        "http/openai/responses/follow.ts",
        "sequence_number > startingAfter",
        "sequence_number > startingAfter + (startingAfter < 0 ? 0 : 1)",
      ],
    ],
    wish: { background: { breakAfterEvents: 2 } },
  },
  {
    promise: "events_are_told",
    bug: "an end is stored without its event",
    patches: [["job/ending/end.ts", "outbox.length === 0 ? {}", "outbox.length < 9 ? {}"]],
    wish: {},
  },
  {
    promise: "events_are_true",
    bug: "events are signed with another secret",
    patches: [["webhook/deliver.ts", "[each.text]", "['whsec_' + Buffer.alloc(32, 'x').toString('base64')]"]],
    wish: {},
  },
  {
    promise: "harm_is_ones_own",
    bug: "a tenant is refused however little it asks for",
    patches: [["http/throttle.ts", "    if (taken.taken) return;", ""]],
    wish: {},
  },
  ...BATCH_MUTANTS,
];
