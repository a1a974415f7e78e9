import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isObject, type JsonObject } from "../../../../../shared/model/protocol/json.ts";
import { protocolFor } from "../../../../../shared/model/protocol/protocols.ts";
import { calls, DEPLOYMENT, request, words } from "./requests.ts";

/**
 * Whatever a response's request says is said to the lab, or the request is refused by the name of what cannot be said.
 * A member that could be left out without a difference was dropped; those that may be ask for nothing.
 */
const RESPONSES = "/v1/responses" as const;
const CHAT = "/v1/chat/completions";
const TO = { name: DEPLOYMENT, model: "m-1" };
const lab = protocolFor({ protocol: "openai", endpoints: [CHAT] }, RESPONSES);
const claude = protocolFor({ protocol: "anthropic", endpoints: [CHAT] }, RESPONSES);

type Path = readonly (string | number)[];
const said = (path: Path) =>
  path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`))
    .join("")
    .slice(1);

/** Whose members are the client's own words, and go as they are. */
const FREE: ReadonlySet<unknown> = new Set(["schema", "parameters", "metadata", "stream_options"]);

/** Every member of every object in it. */
function membersOf(value: unknown, path: Path = []): Path[] {
  if (Array.isArray(value)) return value.flatMap((each, at) => membersOf(each, [...path, at]));
  if (!isObject(value) || FREE.has(path.at(-1))) return [];
  return Object.entries(value).flatMap(([name, member]) => [
    [...path, name],
    ...membersOf(member, [...path, name]),
  ]);
}

const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((of, step) => (of as Record<string | number, unknown> | undefined)?.[step], value);

/** @param member undefined: it is taken out */
function changed(body: JsonObject, path: Path, member?: unknown): JsonObject {
  const copy = structuredClone(body);
  const of = at(copy, path.slice(0, -1)) as Record<string | number, unknown>;
  const name = path.at(-1) ?? "";
  if (member === undefined) delete of[name];
  else of[name] = member;
  return copy;
}

const outcome = (protocol: typeof lab, body: JsonObject): { refused?: string; sent?: unknown } => {
  const why = protocol.unsayable(RESPONSES, () => structuredClone(body), TO);
  if (why !== undefined) return { refused: why.param ?? "" };
  return { sent: JSON.parse(protocol.bodyFor(RESPONSES, JSON.stringify(body), TO, false)) };
};

/** What asks for nothing: the service's own members, life and notes of earlier items, and defaults. */
function asksForNothing(body: JsonObject, path: Path): boolean {
  const where = said(path);
  const value = at(body, path);
  if (/^(model|metadata|stream|stream_options|store)$/.test(where)) return true;
  if (where === "truncation" || where === "include") return true; // that which is not refused
  if (where === "top_logprobs") return value === 0;
  if (where === "reasoning.summary" || where === "reasoning.effort")
    return value === "auto" || value === "none";
  if (where === "reasoning" || where === "text" || where === "text.format")
    return membersOf(value, path).every((each) => asksForNothing(body, each));
  if (where === "text.format.type") return value === "text";
  return /^input\[\d+\]/.test(where) && isNote(body, path);
}

/** The life of an item that was given before, what a lab has noted of it, and thoughts that nobody could read. */
function isNote(body: JsonObject, path: Path): boolean {
  const item = at(body, path.slice(0, 2)) as JsonObject;
  const parent = at(body, path.slice(0, -1)) as JsonObject;
  const name = String(path.at(-1));
  if (item.type === "reasoning") return !item.encrypted_content || name !== "encrypted_content";
  if (path.length === 3 && name === "type") return item.type === "message";
  if (path.length === 3) return ["id", "status", "phase"].includes(name);
  return parent.type === "output_text" && ["annotations", "logprobs"].includes(name);
}

/** What Claude does anyway, or what has no meaning there. */
function claudesDefault(body: JsonObject, path: Path): boolean {
  const where = said(path);
  const value = at(body, path);
  const isThinking =
    isObject(body.reasoning) && !["none", undefined].includes(body.reasoning.effort as string);
  if (where === "tool_choice") return body.tools === undefined || value === "auto";
  if (where === "parallel_tool_calls")
    return value === true || body.tools === undefined || body.tool_choice === "none";
  if (where === "service_tier") return true; // that which is not refused
  if (where === "temperature" || where === "top_p") return isThinking;
  if (/^text\.format\.(name|strict)$/.test(where)) return true;
  if (/\.detail$/.test(where)) return value !== "low";
  if (/^tools\[\d+\]\.strict$/.test(where)) return value === false;
  return where === "user" && value === body.safety_identifier;
}

describe.each([
  ["a lab with chat completions only", lab, asksForNothing],
  [
    "Claude",
    claude,
    (body: JsonObject, path: Path) => asksForNothing(body, path) || claudesDefault(body, path),
  ],
] as const)("a response's request, put to %s", (_, protocol, mayGo) => {
  it("loses nothing", () => {
    let sendable = 0;
    fc.assert(
      fc.property(request, (body) => {
        const whole = outcome(protocol, body);
        if (whole.refused !== undefined) {
          expect(namedIn(body, whole.refused), whole.refused).toBe(true);
          return;
        }
        sendable++;
        for (const path of membersOf(body)) {
          if (mayGo(body, path)) continue;
          expect(outcome(protocol, changed(body, path)), `without ${said(path)}`).not.toEqual(whole);
        }
      }),
      { numRuns: 150 },
    );
    expect(sendable).toBeGreaterThan(5);
  });

  it("with a member that nobody knows is sent with it, or refused by where it stands", () => {
    fc.assert(
      fc.property(request, fc.nat(), (body, pick) => {
        const whole = outcome(protocol, body);
        const objects = [[], ...membersOf(body).filter((path) => isObject(at(body, path)))];
        const inLists = membersOf(body)
          .filter((path) => Array.isArray(at(body, path)))
          .flatMap((path) => (at(body, path) as unknown[]).map((each, n) => [each, [...path, n]] as const))
          .flatMap(([each, path]) => (isObject(each) ? [path] : []));
        const places = [...objects, ...inLists].filter((path) => !path.some((step) => FREE.has(step)));
        const place = [...(places[pick % places.length] ?? []), "odd"];
        const item = at(body, place.slice(0, 2));
        const isThought = isObject(item) && item.type === "reasoning";
        const odd = outcome(protocol, changed(body, place, "an odd word"));
        if (whole.refused !== undefined || isThought) return;
        if (odd.sent !== undefined) expect(JSON.stringify(odd.sent), said(place)).toContain("an odd word");
        else expect(namedIn(changed(body, place, "an odd word"), odd.refused ?? ""), odd.refused).toBe(true);
      }),
      { numRuns: 250 },
    );
  });
});

const ASKED = {
  ...{ endpoint: RESPONSES, nowMs: 1_800_000_000_000, jobId: "job_ab", attempt: 1, deployment: DEPLOYMENT },
} as const;

/** What the lab says, as it was told of it before. */
const ANSWERS = {
  chat: (message: JsonObject) => ({
    ...{ id: "c", object: "chat.completion", model: "m" },
    choices: [{ index: 0, message, finish_reason: message.tool_calls === undefined ? "stop" : "tool_calls" }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  }),
  claude: ({ content }: JsonObject) => ({
    ...{ id: "m", type: "message", role: "assistant", model: "m", content, stop_reason: "end_turn" },
    usage: { input_tokens: 1, output_tokens: 1 },
  }),
};

it.each([
  ["chat completions", lab, ANSWERS.chat],
  ["Claude", claude, ANSWERS.claude],
] as const)("what a model says comes back from %s as it goes there", (_, protocol, answerOf) => {
  fc.assert(
    fc.property(fc.option(words), fc.option(calls), (spoken, called) => {
      const items = [...(spoken === null ? [] : [spoken]), ...(called ?? [])];
      if (items.length === 0) return;
      const results = (called ?? []).map(({ call_id }) => ({
        ...{ type: "function_call_output", call_id, output: "It is so" },
      }));
      const user = { role: "user", content: "Go on" };
      const tools = [...new Set((called ?? []).map(({ name }) => name))].map((name) => ({
        ...{ type: "function", name, parameters: { type: "object", properties: {} } },
      }));
      const { sent } = outcome(protocol, { model: "m", input: [user, ...items, ...results, user], tools });
      const message = (sent as { messages: JsonObject[] }).messages.find(({ role }) => role === "assistant");
      const answer = { status: 200, headers: new Headers(), body: JSON.stringify(answerOf(message ?? {})) };
      const came = protocol.outcomeOf(answer, ASKED);
      if (came.kind !== "completed") throw new Error(JSON.stringify(came));
      expect(JSON.parse(came.body).output.map(bare)).toEqual(items.map(bare));
    }),
  );
});

/** An item without its name and its life. */
function bare({ type, content, call_id, name, arguments: given }: JsonObject): JsonObject {
  if (type === "function_call") return { type, call_id, name, given: JSON.parse(String(given)) };
  return { type, texts: (content as JsonObject[]).map(({ text }) => text) };
}

/** Whether a refusal's name is that of a member of the request, or of the tools that it lacks. */
function namedIn(body: JsonObject, param: string): boolean {
  const path = [...param.matchAll(/[^.[\]]+/g)].map(([step]) => (/^\d+$/.test(step) ? Number(step) : step));
  return param === "tools" || at(body, path) !== undefined;
}
