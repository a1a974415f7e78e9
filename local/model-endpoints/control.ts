import type { IncomingMessage, ServerResponse } from "node:http";
import { isFromHere } from "../from-here.ts";
import type { Calls } from "./calls.ts";
import { FaultRuleInvalid, readFaultRule } from "./fault.ts";
import { send } from "./fault-answer.ts";
import type { FaultRules } from "./fault-rules.ts";
import { isObject } from "./fields.ts";
import { readLimitOrder } from "./limit-order.ts";
import type { ModelCalls } from "./model-calls.ts";
import { bodyOf } from "./request-body.ts";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;

/**
 * What tests and users tell the simulation, on loopback only (the server listens nowhere else):
 *
 * - `POST /_control` with a fault rule (fault.ts), a list of them, or `{"reset": true}` (with `"profile"`: that one's
 *   alone): answers `{rules}`. With `{"limits": order}`, or a list of orders: rate limits, see limit-order.ts.
 * - `GET /_control`: `{rules, counters}`.
 * - `GET /_control/calls?since=&limit=&job=&profile=`: `{object: "list", data, last_seq, has_more}`, the calls with
 *   seq over `since`, oldest first.
 */
export async function control(
  req: IncomingMessage,
  res: ServerResponse,
  url: URL,
  calls: Calls,
  rules: FaultRules,
  modelCalls: ModelCalls,
): Promise<void> {
  if (!isFromHere(req)) return answer(res, 403, { error: "not for browsers" });
  if (url.pathname === "/_control/calls" && req.method === "GET")
    return answer(res, 200, listCalls(url, calls));
  if (url.pathname !== "/_control") return answer(res, 404, { error: "no such control" });
  if (req.method === "GET") return answer(res, 200, { rules: rules.list(), counters: calls.counters() });
  if (req.method !== "POST") return answer(res, 405, { error: "GET or POST" });
  try {
    apply(JSON.parse((await bodyOf(req))?.toString("utf8") ?? ""), rules, modelCalls);
  } catch (thrown) {
    if (!(thrown instanceof FaultRuleInvalid || thrown instanceof SyntaxError)) throw thrown;
    return answer(res, 400, { error: thrown.message });
  }
  answer(res, 200, { rules: rules.list() });
}

/** All of a list, or none of it. */
function apply(body: unknown, rules: FaultRules, modelCalls: ModelCalls): void {
  if (isObject(body) && body.limits !== undefined) {
    const orders = (Array.isArray(body.limits) ? body.limits : [body.limits]).map(readLimitOrder);
    for (const order of orders) modelCalls.limit(order);
    return;
  }
  if (isObject(body) && body.reset === true) {
    rules.reset(typeof body.profile === "string" ? body.profile : undefined);
    return;
  }
  const read = (Array.isArray(body) ? body : [body]).map(readFaultRule);
  for (const rule of read) rules.add(rule);
}

function listCalls(url: URL, calls: Calls): object {
  const { searchParams: query } = url;
  const number = (name: string, otherwise: number) => {
    const value = Number(query.get(name) ?? otherwise);
    return Number.isSafeInteger(value) && value >= 0 ? value : otherwise;
  };
  const since = number("since", 0);
  const limit = Math.min(Math.max(number("limit", DEFAULT_LIMIT), 1), MAX_LIMIT);
  const job = query.get("job");
  const profile = query.get("profile");
  const found = calls.list({
    since,
    limit: limit + 1,
    ...(job === null ? {} : { job }),
    ...(profile === null ? {} : { profile }),
  });
  const data = found.slice(0, limit);
  return {
    object: "list",
    data,
    last_seq: data.at(-1)?.seq ?? since,
    has_more: found.length > limit,
  };
}

function answer(res: ServerResponse, status: number, body: object): void {
  send(res, status, {}, JSON.stringify(body));
}
