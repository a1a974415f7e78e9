import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../clock.ts";
import { type AnswerInput, admissionTokens, answerTo, type Reply, refusal } from "./answer.ts";
import { ApiError, errorOfStatus, invalid, promptFiltered, rateLimited, unknownModel } from "./api-error.ts";
import type { CallRecord, Calls } from "./calls.ts";
import { directivesIn } from "./directives.ts";
import { type Fault, FaultRuleInvalid, matches, strikes } from "./fault.ts";
import { retryHeaders, sendFault, sendReply, statusOfFault } from "./fault-answer.ts";
import type { FaultRules } from "./fault-rules.ts";
import { isObject, type Json } from "./fields.ts";
import { quotaHeaders } from "./lab-words.ts";
import type { LimitOrder } from "./limit-order.ts";
import type { EndpointPath, LabProfile, ModelProfile } from "./profiles.ts";
import { RateLimiter } from "./rate-limit.ts";
import { bodyOf, MAX_BODY_BYTES } from "./request-body.ts";
import { seeded, uuid } from "./seeded.ts";

export interface ModelCallsDeps {
  readonly labs: readonly LabProfile[];
  readonly calls: Calls;
  readonly rules: FaultRules;
  readonly clock: Clock;
  readonly seed: string;
  readonly latencyScale: number;
}

/** A call that has come in whole. */
interface Call {
  readonly seq: number;
  readonly lab: LabProfile;
  readonly endpoint: EndpointPath;
  readonly receivedAtMs: number;
  readonly bytes: Buffer;
  readonly text: string;
  readonly sha256: string;
  readonly body: Json | undefined;
  readonly modelName: string | null;
  readonly job: string | null;
  readonly attempt: string | null;
  readonly anthropicVersion: string | null;
}

/** Nginx's number for a caller that went away. */
const CLIENT_GONE = 499;
/** Faults that lose an answer which the model gave all the same. */
const BILLED_FAULTS: ReadonlySet<Fault["kind"]> = new Set([
  "latency",
  "half",
  "broken_json",
  "empty",
  "stream_error",
]);
/** Of the time that an answer takes: until the first event of a stream. */
const FIRST_EVENT_SHARE = 1 / 3;
/** Longest value of a label that is kept. */
const MAX_LABEL_CHARS = 256;

/** Calls of models, from the whole request to the last byte of the answer. */
export class ModelCalls {
  readonly #deps: ModelCallsDeps;
  /** Hashes of prompts. */
  readonly #cached = new Set<string>();
  readonly #limiters: Map<ModelProfile, RateLimiter>;

  constructor(deps: ModelCallsDeps) {
    this.#deps = deps;
    const models = deps.labs.flatMap((lab) => lab.models);
    this.#limiters = new Map(models.map((model) => [model, new RateLimiter(model.limits)]));
  }

  /** New limits from here on, with nothing used of them yet. */
  limit(order: LimitOrder): void {
    for (const lab of this.#deps.labs) {
      if ((order.profile ?? lab.name) !== lab.name) continue;
      for (const model of lab.models) {
        if ((order.model ?? model.name) === model.name)
          this.#limiters.set(model, new RateLimiter(order.limits));
      }
    }
  }

  async answer(
    req: IncomingMessage,
    res: ServerResponse,
    lab: LabProfile,
    endpoint: EndpointPath,
  ): Promise<void> {
    const bytes = await bodyOf(req);
    if (bytes === undefined) {
      res.setHeader("connection", "close");
      throw new ApiError(413, { message: `The request body is over ${MAX_BODY_BYTES} bytes.` });
    }
    const call = this.#callOf(req, bytes, lab, endpoint);
    const model = lab.models.find((each) => each.name === call.modelName);
    const headers: Record<string, string> = this.#headers(call);
    const reply = this.#decide(call, model, headers);
    const fault = await this.#faultFor(call);
    if (fault instanceof ApiError)
      return this.#finish(res, call, refusal(call.lab, fault), undefined, headers);
    await this.#finish(res, call, reply, fault, headers);
  }

  #callOf(req: IncomingMessage, bytes: Buffer, lab: LabProfile, endpoint: EndpointPath): Call {
    const text = bytes.toString("utf8");
    const body = objectOf(text);
    return {
      seq: this.#deps.calls.nextSeq(),
      lab,
      endpoint,
      receivedAtMs: this.#deps.clock.now(),
      bytes,
      text,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      body,
      modelName: typeof body?.model === "string" ? body.model.slice(0, MAX_LABEL_CHARS) : null,
      job: labelOf(req, "x-switchyard-job"),
      attempt: labelOf(req, "x-switchyard-attempt"),
      anthropicVersion: labelOf(req, "anthropic-version"),
    };
  }

  #headers(call: Call): Record<string, string> {
    const random = seeded(`${this.#deps.seed}|call|${call.seq}`);
    return {
      "x-simulated": "true",
      [call.lab.name === "anthropic" ? "request-id" : "x-request-id"]: uuid(random),
      "apim-request-id": uuid(random),
      "x-ms-region": "local",
    };
  }

  /** A prompt that was marked for the cache before is in it. */
  #isCacheKnown({ system, messages }: Json): boolean {
    const first = Array.isArray(messages) ? messages[0] : messages;
    const key = createHash("sha256")
      .update(JSON.stringify([system, first]))
      .digest("hex");
    const isKnown = this.#cached.has(key);
    this.#cached.add(key);
    return isKnown;
  }

  /** What the call gets if no fault strikes. `headers` take those of the rate limit. */
  #decide(call: Call, model: ModelProfile | undefined, headers: Record<string, string>): Reply {
    try {
      const { body, lab, endpoint } = call;
      if (body === undefined) {
        throw invalid(
          "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The API expects a JSON payload, but what was sent was not valid JSON.)",
          null,
          null,
        );
      }
      if (call.modelName === null) throw invalid("you must provide a model parameter", "model", null);
      if (model === undefined) throw unknownModel(lab.name, call.modelName);
      if (lab.name === "anthropic" && call.anthropicVersion === null)
        throw invalid("anthropic-version: header is required", null, null);
      this.#admit(call, model, body, headers);
      if (call.text.includes("[[content_filter]]")) throw promptFiltered();
      const input: AnswerInput = {
        lab,
        model,
        endpoint,
        body,
        seed: this.#deps.seed,
        requestSha256: call.sha256,
        createdSeconds: Math.floor(call.receivedAtMs / 1000),
        isCacheKnown: () => this.#isCacheKnown(body),
      };
      return answerTo(input);
    } catch (thrown) {
      if (thrown instanceof ApiError) return refusal(call.lab, thrown);
      throw thrown;
    }
  }

  #admit(call: Call, model: ModelProfile, body: Json, headers: Record<string, string>): void {
    const tokens = admissionTokens(call.endpoint, body, call.bytes.length);
    const admission = this.#limiters.get(model)?.admit(call.receivedAtMs, tokens);
    if (admission === undefined) return;
    Object.assign(headers, quotaHeaders(call.lab, admission.headers, call.receivedAtMs));
    if (admission.admitted) return;
    Object.assign(headers, retryHeaders(admission.retryAfterMs), {
      "policy-id": admission.scope === "tokens" ? "DeploymentRatelimit-Token" : "DeploymentRatelimit-Call",
    });
    throw rateLimited(model.name, admission.scope, admission.retryAfterMs);
  }

  /** The fault of the first rule, then of the first directive, that strikes; an ApiError for a directive that is none. */
  async #faultFor(call: Call): Promise<Fault | ApiError | undefined> {
    const labels = {
      profile: call.lab.name,
      model: call.modelName ?? "",
      endpoint: call.endpoint,
      job: call.job,
    };
    const struck = this.#deps.rules.strike(labels);
    if (struck !== undefined) return struck;
    let directives: ReturnType<typeof directivesIn>;
    try {
      directives = directivesIn(call.text);
    } catch (thrown) {
      if (thrown instanceof FaultRuleInvalid)
        return invalid(thrown.message, "messages", "invalid_sim_directive");
      throw thrown;
    }
    for (const [index, rule] of directives.entries()) {
      if (!matches(rule, labels)) continue;
      const key = `${call.job ?? call.sha256}|${index}`;
      const hit = await this.#deps.calls.hit(key);
      const chance = seeded(`${this.#deps.seed}|${key}|${hit}`)();
      if (strikes(rule, hit, chance)) return rule.fault;
    }
    return undefined;
  }

  /** Waits as long as the answer takes, counts the call, then answers. */
  async #finish(
    res: ServerResponse,
    call: Call,
    reply: Reply,
    fault: Fault | undefined,
    headers: Record<string, string>,
  ): Promise<void> {
    const { calls, clock } = this.#deps;
    const record = recordOf(call, fault);
    const billed = fault === undefined || BILLED_FAULTS.has(fault.kind);
    const outcome = {
      status: fault === undefined ? reply.status : statusOfFault(fault, reply),
      input_tokens: billed ? reply.inputTokens : 0,
      output_tokens: billed ? reply.outputTokens : 0,
      fault: record.fault,
    };
    const delayMs = this.#delayMs(reply, fault);
    if (delayMs > 0) {
      // Counted as it comes, in case this process or the caller does not live to see the answer.
      await calls.record(record);
      const stayed = await wait(delayMs, clock, res);
      await calls.settle(call.seq, stayed ? outcome : { ...outcome, status: CLIENT_GONE });
      if (!stayed) return;
    } else await calls.record({ ...record, ...outcome });

    const errorOf = (status: number, retryAfterMs: number) =>
      errorOfStatus(status, call.modelName ?? "", retryAfterMs);
    if (fault !== undefined) await sendFault(res, fault, reply, errorOf, call.lab, headers);
    else await sendReply(res, reply, headers, () => this.#pause(reply, res));
  }

  /** Between two events of a stream: its first comes after a third of the time that the answer takes. */
  async #pause({ events = [], latencyMs }: Reply, res: ServerResponse): Promise<void> {
    const ms = ((latencyMs * this.#deps.latencyScale) / events.length) * (1 - FIRST_EVENT_SHARE);
    if (ms > 0) await wait(ms, this.#deps.clock, res);
  }

  #delayMs(reply: Reply, fault: Fault | undefined): number {
    const share = reply.events === undefined ? 1 : FIRST_EVENT_SHARE;
    if (fault === undefined) return reply.latencyMs * this.#deps.latencyScale * share;
    return fault.latencyMs ?? (fault.kind === "hang" ? Number.POSITIVE_INFINITY : 0);
  }
}

function recordOf(call: Call, fault: Fault | undefined): CallRecord {
  return {
    seq: call.seq,
    profile: call.lab.name,
    model: call.modelName,
    endpoint: call.endpoint,
    received_at_ms: call.receivedAtMs,
    request_sha256: call.sha256,
    job: call.job,
    attempt: call.attempt,
    status: null,
    input_tokens: 0,
    output_tokens: 0,
    fault: fault?.kind ?? null,
  };
}

/** Whether the caller was still there when the time was over. @param ms infinite: until it goes */
function wait(ms: number, clock: Clock, res: ServerResponse): Promise<boolean> {
  return new Promise((resolve) => {
    let cancel: () => void = () => undefined;
    const gone = () => {
      cancel();
      resolve(false);
    };
    if (res.destroyed) return resolve(false);
    res.once("close", gone);
    if (!Number.isFinite(ms)) return;
    cancel = clock.after(ms, () => {
      res.off("close", gone);
      resolve(true);
    });
  });
}

function labelOf(req: IncomingMessage, name: string): string | null {
  const value = req.headers[name];
  return typeof value === "string" ? value.slice(0, MAX_LABEL_CHARS) : null;
}

function objectOf(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    // Not JSON: the caller of this function says so to its own caller, as the labs do.
    return undefined;
  }
}
