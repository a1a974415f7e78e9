import { ADVICE } from "./advice.js";
import { adviceWords, statusWords } from "./rows/problem-words.ts";

/** A refusal, or an answer that never came (`status` 0). */
export class ApiProblem extends Error {
  override readonly name = "ApiProblem";
  readonly status: number;
  readonly code: string;
  readonly faults: readonly { readonly path: string; readonly message: string }[];
  readonly requestId: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, code: string, detail: string, more: Partial<ApiProblem> = {}) {
    super(detail);
    this.status = status;
    this.code = code;
    this.faults = more.faults ?? [];
    this.requestId = more.requestId;
    this.retryAfterSeconds = more.retryAfterSeconds;
  }

  /** What its reader can do; undefined: nobody has said. */
  get advice(): string | undefined {
    const known = ADVICE[this.code];
    return known && adviceWords(known.advice, this.retryAfterSeconds);
  }
}

export interface Received<T> {
  /** Undefined: unchanged since the ETag that was sent. */
  readonly value: T | undefined;
  readonly etag: string | undefined;
}

export interface Ask {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** The service's own routes, with one credential. */
export class Api {
  readonly #credential: string;
  readonly #onRefusedCredential: () => void;

  /** @param onRefusedCredential called once the service does not take the credential any more */
  constructor(credential: string, onRefusedCredential: () => void = () => undefined) {
    this.#credential = credential;
    this.#onRefusedCredential = onRefusedCredential;
  }

  /** @throws ApiProblem; AbortError where `signal` did */
  async get<T>(path: string, etag?: string, signal?: AbortSignal): Promise<Received<T>> {
    const headers = etag === undefined ? {} : { "if-none-match": etag };
    const answer = await this.fetch(path, { headers, ...(signal && { signal }) });
    if (answer.status === 304) return { value: undefined, etag };
    return { value: (await answer.json()) as T, etag: answer.headers.get("etag") ?? undefined };
  }

  /** What a change answers; undefined where that has no body. @throws ApiProblem */
  async send<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown, headers = {}): Promise<T> {
    const answer = await this.fetch(path, { method, body, headers });
    const text = await answer.text();
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** The answer as it comes, for what is no JSON. @throws ApiProblem */
  async fetch(path: string, { method = "GET", body, headers, signal }: Ask): Promise<Response> {
    const isForm = body instanceof FormData;
    const answer = await fetch(path, {
      method,
      // The ETags are ours to send; a browser's own copy would hide what the service says.
      cache: "no-store",
      redirect: "error",
      headers: {
        authorization: `Bearer ${this.#credential}`,
        ...(body === undefined || isForm ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
      ...(signal && { signal }),
    }).catch((thrown: unknown) => {
      if (signal?.aborted) throw thrown;
      throw new ApiProblem(0, "unreachable", "The service cannot be reached.");
    });
    if (answer.ok || answer.status === 304) return answer;
    if (answer.status === 401) this.#onRefusedCredential();
    throw await problemOf(answer);
  }
}

interface ProblemBody {
  readonly code?: string;
  readonly detail?: string;
  readonly faults?: ApiProblem["faults"];
  readonly error?: { readonly code: string | null; readonly message: string; readonly param?: string | null };
}

/** Of either door: problem+json, or OpenAI's envelope. */
async function problemOf(answer: Response): Promise<ApiProblem> {
  const text = await answer.text();
  const requestId = answer.headers.get("x-request-id") ?? undefined;
  const wait = Number(answer.headers.get("retry-after") ?? Number.NaN);
  const more = { requestId, retryAfterSeconds: Number.isFinite(wait) ? wait : undefined };
  let body: ProblemBody = {};
  try {
    body = JSON.parse(text) as ProblemBody;
  } catch {
    return new ApiProblem(answer.status, `http_${answer.status}`, statusWords(answer.status, text), more);
  }
  const { error, faults = [] } = body;
  const code = error?.code ?? body.code ?? `http_${answer.status}`;
  return new ApiProblem(
    answer.status,
    code,
    error?.message ?? body.detail ?? statusWords(answer.status, text),
    {
      ...more,
      faults,
    },
  );
}

/** Those that have a value, as a query with its question mark. */
export function queryOf(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && value !== "") query.set(name, String(value));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
