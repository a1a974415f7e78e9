import path from "node:path";
import type { Endpoint } from "../../shared/model/endpoint.ts";
import { type ProtocolName, protocolFor } from "../../shared/model/protocol/protocols.ts";

export const OPENAI_PAGE = path.resolve(import.meta.dirname, "../../docs/openai.md");

const CHAT = "/v1/chat/completions";
const RESPONSES = "/v1/responses";

/** Kinds of labs, by what a deployment in the catalogue says of them. */
const LABS = [
  { protocol: "openai", endpoints: [CHAT] },
  { protocol: "anthropic", endpoints: [CHAT] },
] as const satisfies readonly {
  readonly protocol: ProtocolName;
  readonly endpoints: readonly Endpoint[];
}[];

interface Case {
  /** What a client asks for. */
  readonly ask: string;
  /** What a request says then; absent: that endpoint has no such thing. */
  readonly chat?: object;
  readonly responses?: object;
}

const tool = { type: "function", name: "f", parameters: { type: "object" } };
const inChat = { type: "function", function: { name: "f", parameters: { type: "object" } } };
const user = (content: unknown) => [{ role: "user", content }];
const open = { name: "s", schema: { type: "object" } };
const closed = { name: "s", schema: { type: "object", additionalProperties: false } };
const format = (of: object) => ({
  chat: { response_format: { type: "json_schema", json_schema: of } },
  responses: { text: { format: { type: "json_schema", ...of } } },
});

const CASES: readonly Case[] = [
  {
    ask: "text, `temperature` to 1, `top_p`",
    chat: { temperature: 1, top_p: 0.9 },
    responses: { temperature: 1, top_p: 0.9 },
  },
  { ask: "`temperature` over 1", chat: { temperature: 1.5 }, responses: { temperature: 1.5 } },
  {
    ask: "pictures by address",
    chat: { messages: user([{ type: "image_url", image_url: { url: "https://x.org/a.png" } }]) },
    responses: { input: user([{ type: "input_image", image_url: "https://x.org/a.png" }]) },
  },
  {
    ask: 'pictures with `detail: "low"`',
    chat: {
      messages: user([{ type: "image_url", image_url: { url: "https://x.org/a.png", detail: "low" } }]),
    },
    responses: { input: user([{ type: "input_image", image_url: "https://x.org/a.png", detail: "low" }]) },
  },
  {
    ask: "a PDF in the request",
    chat: { messages: user([{ type: "file", file: { file_data: "data:application/pdf;base64,JV" } }]) },
    responses: { input: user([{ type: "input_file", file_data: "data:application/pdf;base64,JV" }]) },
  },
  {
    ask: "files and pictures by id",
    chat: { messages: user([{ type: "file", file: { file_id: "file-1" } }]) },
    responses: { input: user([{ type: "input_file", file_id: "file-1" }]) },
  },
  {
    ask: "sound",
    chat: { messages: user([{ type: "input_audio", input_audio: {} }]) },
    responses: { input: user([{ type: "input_audio", input_audio: {} }]) },
  },
  { ask: "functions", chat: { tools: [inChat] }, responses: { tools: [tool] } },
  {
    ask: "tools that the lab runs (`web_search`, `file_search`, …)",
    responses: { tools: [{ type: "web_search" }] },
  },
  {
    ask: "`tool_choice` of one function",
    chat: { tools: [inChat], tool_choice: { type: "function", function: { name: "f" } } },
    responses: { tools: [tool], tool_choice: { type: "function", name: "f" } },
  },
  {
    ask: "a function that must be called, with reasoning",
    chat: { tools: [inChat], tool_choice: "required", reasoning_effort: "low" },
    responses: { tools: [tool], tool_choice: "required", reasoning: { effort: "low" } },
  },
  {
    ask: "reasoning `low`, `medium`, `high`",
    chat: { reasoning_effort: "high" },
    responses: { reasoning: { effort: "high" } },
  },
  {
    ask: "reasoning `minimal`",
    chat: { reasoning_effort: "minimal" },
    responses: { reasoning: { effort: "minimal" } },
  },
  { ask: "a summary of the reasoning, `detailed`", responses: { reasoning: { summary: "detailed" } } },
  {
    ask: '`include: ["reasoning.encrypted_content"]`',
    responses: { include: ["reasoning.encrypted_content"] },
  },
  { ask: "a schema whose objects are closed (`strict`)", ...format(closed) },
  { ask: "a schema whose objects are open", ...format(open) },
  {
    ask: "`json_object`",
    chat: { response_format: { type: "json_object" } },
    responses: { text: { format: { type: "json_object" } } },
  },
  { ask: "`stop`", chat: { stop: ["END"] } },
  { ask: "`n` over 1", chat: { n: 2 } },
  {
    ask: "`logprobs`, `top_logprobs`",
    chat: { logprobs: true, top_logprobs: 2 },
    responses: { top_logprobs: 2 },
  },
  { ask: "`seed`", chat: { seed: 1 } },
  { ask: "`frequency_penalty`, `presence_penalty`", chat: { frequency_penalty: 0.5, presence_penalty: 0.5 } },
  { ask: "`verbosity`", chat: { verbosity: "low" }, responses: { text: { verbosity: "low" } } },
  { ask: '`service_tier: "flex"`', chat: { service_tier: "flex" }, responses: { service_tier: "flex" } },
  { ask: "`prompt_cache_key`", chat: { prompt_cache_key: "k" }, responses: { prompt_cache_key: "k" } },
  { ask: '`truncation: "auto"`', responses: { truncation: "auto" } },
  { ask: "`max_tool_calls`", responses: { max_tool_calls: 2 } },
  {
    ask: "a system message within the conversation",
    chat: { messages: [...user("Hi"), { role: "system", content: "x" }, ...user("Hi")] },
    responses: { input: [...user("Hi"), { role: "system", content: "x" }, ...user("Hi")] },
  },
  {
    ask: "a conversation that ends with the model's words",
    chat: { messages: [...user("Hi"), { role: "assistant", content: "x" }] },
    responses: { input: [...user("Hi"), { role: "assistant", content: "x" }] },
  },
  { ask: "`item_reference`", responses: { input: [{ type: "item_reference", id: "msg_1" }] } },
];

/** What the mapping says to it: `·` it is sent on, else the member that is refused. */
function verdict(lab: (typeof LABS)[number], endpoint: Endpoint, more: object | undefined): string {
  if (more === undefined) return "";
  const base = endpoint === CHAT ? { messages: user("Hi") } : { input: "Hi" };
  const body = { model: "m", ...base, ...more };
  const why = protocolFor(lab, endpoint).unsayable(endpoint, () => body, { name: "d", model: "m" });
  return why === undefined ? "·" : `no (\`${why.param}\`)`;
}

/** The table in docs/openai.md, made by asking the mapping itself. */
export function whatLabsCannot(): string {
  const [plain, claude] = LABS;
  const columns = [
    {
      head: "a response of a lab with chat completions only",
      of: (each: Case) => verdict(plain, RESPONSES, each.responses),
    },
    { head: "a response of Claude", of: (each: Case) => verdict(claude, RESPONSES, each.responses) },
    { head: "a chat completion of Claude", of: (each: Case) => verdict(claude, CHAT, each.chat) },
  ];
  return [
    `| asked for | ${columns.map(({ head }) => head).join(" | ")} |`,
    `|---|${columns.map(() => "---|").join("")}`,
    ...CASES.map((each) => `| ${each.ask} | ${columns.map(({ of }) => of(each)).join(" | ")} |`),
  ].join("\n");
}

const HEAD = "## What each lab cannot do\n";
const TABLE = /\| asked for \|(?:.*\n)*?(?=\n)/;

/** The page with the table of now. */
export function withWhatLabsCannot(page: string): string {
  const at = page.indexOf(HEAD);
  if (at === -1) throw new Error(`docs/openai.md has no section «${HEAD.trim()}»`);
  return page.slice(0, at) + page.slice(at).replace(TABLE, () => `${whatLabsCannot()}\n`);
}
