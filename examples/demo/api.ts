/** The part of the service's HTTP contract that the demo uses. */
export interface Job {
  readonly id: string;
  readonly status: "queued" | "in_progress" | "completed" | "failed" | "cancelled" | "expired";
  readonly model: string;
  readonly deployment: string | null;
  readonly provider: string | null;
  readonly simulated: boolean | null;
  readonly attempts: number;
  readonly usage: {
    readonly input_tokens: number | null;
    readonly output_tokens: number | null;
    readonly total_tokens: number | null;
  } | null;
  readonly cost: Cost | null;
  readonly response: { readonly status_code: number; readonly body: unknown } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export interface Cost {
  /** Decimal. */
  readonly amount: string;
  readonly currency: string;
}

export interface AuditRecord {
  readonly seq: number;
  /** Unix time, seconds. */
  readonly at: number;
  readonly event: string;
  readonly actor: string;
  readonly attempt: number | null;
  readonly deployment: string | null;
  readonly provider: string | null;
  readonly outcome: string | null;
  readonly usage: Job["usage"];
  readonly cost: Cost | null;
  readonly latency_ms: number | null;
  readonly prev_hash: string;
  readonly hash: string;
}

/** The part of a comparison that is shown. */
export interface Comparison {
  readonly id: string;
  readonly status: "in_progress" | "ended";
  readonly jobs: readonly {
    readonly model: string;
    readonly job: Job | null;
    readonly latency_ms: number | null;
    readonly holds_schema: boolean | null;
  }[];
  readonly cost: Cost | null;
}

/** The part of a batch that is shown. */
export interface Batch {
  readonly id: string;
  readonly status: string;
  readonly ended: boolean;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
  readonly costs: readonly Cost[];
}

/** A line of a batch's results. */
export interface BatchLine {
  readonly custom_id: string;
  readonly response: { readonly status_code: number } | null;
}

export interface Model {
  readonly id: string;
  readonly owned_by: string;
  readonly endpoints: readonly string[];
  readonly capabilities: readonly string[];
}

export function hasEnded(job: Job): boolean {
  return job.status !== "queued" && job.status !== "in_progress";
}

/** How long one request for a job is held; the service allows 60. */
const WAIT_SECONDS = 20;
/** A request that found the service away, or too busy, is sent again: an idempotency key makes that safe. */
const TRIES = 6;
const FIRST_PAUSE_MS = 200;

export interface Api {
  models(): Promise<readonly Model[]>;
  submit(idempotencyKey: string, body: object): Promise<Job>;
  /** The job once it has ended, or as it is after WAIT_SECONDS. */
  wait(jobId: string): Promise<Job>;
  audit(jobId: string): Promise<readonly AuditRecord[]>;
  /** One body for several models; the comparison once it has ended. */
  compare(idempotencyKey: string, models: readonly string[], body: object): Promise<Comparison>;
  /** A batch of these lines of JSON. */
  batch(idempotencyKey: string, lines: string): Promise<Batch>;
  batchOf(id: string): Promise<Batch>;
  /** @param after what was answered before: only what has come since */
  results(
    id: string,
    after?: string,
  ): Promise<{ readonly lines: readonly BatchLine[]; readonly after: string }>;
}

/** @param signal ends whatever is under way */
export function connect(base: string, key: string, signal: AbortSignal): Api {
  const ask = async (path: string, init: RequestInit = {}): Promise<{ text: string; headers: Headers }> => {
    const headers = { authorization: `Bearer ${key}`, ...(init.headers as Record<string, string>) };
    for (let attempt = 1; ; attempt++) {
      const answer = await fetch(`${base}${path}`, { ...init, headers, signal }).catch((thrown: unknown) => {
        if (signal.aborted) throw signal.reason;
        if (attempt === TRIES) throw new Error(`${path}: ${reasonOf(thrown)}`, { cause: thrown });
        return undefined;
      });
      const text = await answer?.text();
      if (answer?.ok) return { text: text ?? "", headers: answer.headers };
      const passing = answer === undefined || answer.status === 429 || answer.status >= 500;
      if (!passing || attempt === TRIES)
        throw new Error(`${init.method ?? "GET"} ${path}: ${answer?.status} ${text}`);
      await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS * 2 ** attempt));
    }
  };
  const send = async <T>(path: string, init?: RequestInit): Promise<T> =>
    JSON.parse((await ask(`/api${path}`, init)).text) as T;
  return {
    models: async () => (await send<{ data: readonly Model[] }>("/models")).data,
    submit: (idempotencyKey, body) =>
      send("/jobs", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
        body: JSON.stringify({ endpoint: "/v1/chat/completions", body }),
      }),
    wait: (jobId) => send(`/jobs/${jobId}`, { headers: { prefer: `wait=${WAIT_SECONDS}` } }),
    async compare(idempotencyKey, models, body) {
      let comparison = await send<Comparison>("/comparisons", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
        body: JSON.stringify({ models, body }),
      });
      const headers = { prefer: `wait=${WAIT_SECONDS}` };
      while (comparison.status !== "ended")
        comparison = await send(`/comparisons/${comparison.id}`, { headers });
      // As it was accepted, it has no answers yet.
      return send(`/comparisons/${comparison.id}`);
    },
    async batch(idempotencyKey, lines) {
      const form = new FormData();
      form.append("purpose", "batch");
      form.append("file", new Blob([lines]), "demo.jsonl");
      const file = JSON.parse((await ask("/openai/v1/files", { method: "POST", body: form })).text) as Model;
      const asked = { input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" };
      const { text } = await ask("/openai/v1/batches", {
        method: "POST",
        headers: { "content-type": "application/json", "idempotency-key": idempotencyKey },
        body: JSON.stringify(asked),
      });
      return send(`/batches/${(JSON.parse(text) as Batch).id}`);
    },
    batchOf: (id) => send(`/batches/${id}`),
    async results(id, after) {
      const { text, headers } = await ask(
        `/api/batches/${id}/results${after === undefined ? "" : `?after=${after}`}`,
      );
      const lines = text.split("\n").filter((line) => line !== "");
      return { lines: lines.map((line) => JSON.parse(line)), after: headers.get("x-switchyard-after") ?? "" };
    },
    audit: async (jobId) => (await send<{ data: readonly AuditRecord[] }>(`/jobs/${jobId}/audit`)).data,
  };
}

function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error ? `${thrown.message}: ${thrown.cause.message}` : thrown.message;
}
