import { batchWishOf } from "./batch-client.ts";
import type { Wish } from "./client.ts";
import { HOSTILE } from "./hostile-lab.ts";
import type { Chances } from "./seeded.ts";

/** What the models do to a job's calls; the text is the simulation's own directive (local/model-endpoints/README.md). */
const DIRECTIVES: readonly (readonly [weight: number, directive: string])[] = [
  [30, ""],
  [25, "[[sim:latency_ms=40]]"],
  [20, "[[sim:latency_ms=400]]"],
  [6, "[[sim:latency_ms=2500]]"],
  [2, "[[sim:latency_ms=6000,times=1]]"],
  [3, "[[sim:status=503,times=2]]"],
  [3, "[[sim:status=429,retry_after_ms=700,times=2]]"],
  [2, "[[sim:reset,times=1]]"],
  [2, "[[sim:half,times=1]]"],
  [2, "[[sim:html,status=502,times=1]]"],
  [1, "[[sim:empty,times=1]]"],
  [1, "[[sim:broken_json,times=1]]"],
  [1, "[[content_filter]]"],
  [1, "[[output_filter]]"],
  [0.3, "[[sim:huge,bytes=100000000,times=1]]"],
];

/** Those of grok-sim and deepseek-sim wait in line, most of the time or for a minute: fewer of them. */
const MODELS: readonly (readonly [weight: number, model: string])[] = [
  [45, "gpt-sim"],
  [32, "any-lab"],
  [15, "grok-sim"],
  [8, "deepseek-sim"],
  [8, HOSTILE.model],
  [8, HOSTILE.route],
];

/** Share of jobs without an idempotency key: a lost answer is then never asked for again. */
const KEYLESS = 0.25;

/** Every so many jobs one has the next directive of the list, however rare that is: each comes in every long run. */
const ONE_OF_EACH = 20;

/** Every so many wishes one is a batch. */
const ONE_BATCH_IN = 15;

/** The `n`-th job of a run. */
export function wishOf(n: number, run: string, c: Chances): Wish {
  const label = `${run}-${n}`;
  if (n % ONE_BATCH_IN !== ONE_BATCH_IN - 1) return jobWishOf(n, label, c);
  const tenant = c.next() < 0.7 ? "team-a" : "team-b";
  return { label, tenant, key: null, body: {}, batch: batchWishOf(label, c) };
}

function jobWishOf(n: number, label: string, c: Chances): Wish {
  const key = c.next() < KEYLESS ? null : `key-${label}`;
  // A call that never ends needs somebody who ends it: a deadline or a cancel.
  const hangs = c.next() < 0.03;
  const dealt = c.weighted(DIRECTIVES);
  const [, inTurn] = DIRECTIVES[(n / ONE_OF_EACH) % DIRECTIVES.length] ?? [0, dealt];
  const directive = hangs ? "[[sim:hang]]" : inTurn;
  const endsBy = c.next();
  const tenant = c.next() < 0.7 ? "team-a" : "team-b";
  const model = c.weighted(MODELS);
  const content = `${directive} Summarise note ${label} of ${tenant}: it rained, then it cleared.`;
  // The hostile lab may ask to wait for longer than a run lasts.
  const isHostile = model.startsWith(HOSTILE.provider);
  const isHarmless = directive === "" || directive.startsWith("[[sim:latency_ms");
  return {
    ...{ label, tenant, key },
    body: { model, max_tokens: 500, messages: [{ role: "user", content }] },
    mustComplete: isHarmless && endsBy >= 0.08 && endsBy <= 0.96 && !isHostile,
    ...(isHostile ? { deadlineSeconds: 40 } : {}),
    ...(hangs && endsBy < 0.5 ? { deadlineSeconds: c.whole(2, 5) } : {}),
    ...(hangs && endsBy >= 0.5 ? { cancelAfterMs: c.whole(100, 3_000), deadlineSeconds: 30 } : {}),
    ...(!hangs && endsBy < 0.08 ? { cancelAfterMs: c.whole(0, 600) } : {}),
    ...(!hangs && endsBy > 0.96 ? { deadlineSeconds: c.whole(1, 3) } : {}),
    ...(c.next() < 0.05 ? { notBeforeSeconds: c.whole(0, 2) } : {}),
    ...(c.next() < 0.1 ? { deleteAfterEnd: true } : {}),
    ...(hangs ? {} : heldOf(c)),
    // Without a key the same submit again is another job, and rightly so.
    ...(key !== null && c.next() < 0.2 ? { repeatAfterMs: [c.whole(0, 200), c.whole(200, 3_000)] } : {}),
  };
}

/** Share of jobs whose client waits on its connection, through OpenAI's SDK. */
const HELD = 0.2;

/** Share of background responses, whose client takes up their stream again. */
const BACKGROUND = 0.1;

function heldOf(c: Chances): Pick<Wish, "held" | "background"> {
  const dealt = c.next();
  if (dealt >= HELD && dealt < HELD + BACKGROUND) return { background: { breakAfterEvents: c.whole(1, 6) } };
  if (dealt >= HELD) return {};
  const as = c.next() < 0.5 ? "whole" : "stream";
  const breaks = c.next();
  return {
    held: {
      as,
      ...(breaks < 0.4 ? { breakAfterMs: c.whole(5, 600) } : {}),
      ...(breaks < 0.05 ? { leaves: true } : {}),
    },
  };
}
