import { wholeIn } from "../../../bounds.ts";
import type { Endpoint } from "../../endpoint.ts";
import type { TokenEstimate } from "../../token-estimate.ts";
import { isObject, type JsonObject } from "../json.ts";

/** Four bytes of UTF-8 a token: close for English prose, of the right order for everything else. */
const BYTES_PER_TOKEN = 4;
/** What a message costs besides its text: its role and its separators. */
const TOKENS_PER_MESSAGE = 4;
/** The beginning of the answer is part of the prompt. */
const TOKENS_PER_REPLY = 3;
/** A 1024 x 1024 picture in high detail, by OpenAI's published rule, and the most that any model counts for one. */
const TOKENS_PER_IMAGE = 765;
const MAX_TOKENS_PER_IMAGE = 50_000;
/** Speech is about ten tokens a second; base64 of MP3 at 128 kbit/s has some 2,100 characters to a tenth of that. */
const AUDIO_CHARACTERS_PER_TOKEN = 2_100;
/** The least that any coding and any model make of one. */
const MIN_AUDIO_CHARACTERS_PER_TOKEN = 20;
/** Names of the limit on an answer's length, the newer first. */
export const OUTPUT_LIMIT_NAMES = ["max_completion_tokens", "max_output_tokens", "max_tokens"] as const;

export interface RequestTokens {
  readonly estimate: TokenEstimate;
  /** No tokenizer makes more of the prompt; null: parts of it lie elsewhere. */
  readonly promptAtMost: number | null;
}

/**
 * Every text counts, wherever it stands, for a server may put it into the prompt. Pictures and sound count by their own
 * rules where they are content parts of messages, and nowhere else.
 */
export function tokensOf(endpoint: Endpoint, body: unknown): RequestTokens {
  const request = isObject(body) ? body : {};
  const isEmbeddings = endpoint === "/v1/embeddings";
  const tally = tallyOf(request, isEmbeddings);
  const promptAtMost = isElsewhere(request) || tally.files ? null : atMost(tally);
  if (isEmbeddings)
    return {
      estimate: { promptTokens: estimated(tally), outputTokensAsked: null, answers: 0 },
      promptAtMost,
    };
  const answers = [request.n, request.best_of].map((value) => asked(value, MAX_ANSWERS) ?? 1);
  return {
    estimate: {
      promptTokens: estimated(tally) + TOKENS_PER_REPLY,
      outputTokensAsked: outputTokensAsked(request),
      answers: Math.max(...answers),
    },
    promptAtMost,
  };
}

export const estimateTokens = (endpoint: Endpoint, body: unknown): TokenEstimate =>
  tokensOf(endpoint, body).estimate;

/** The largest of the limits: a server may heed any of them. */
function outputTokensAsked(body: JsonObject): number | null {
  const limits = OUTPUT_LIMIT_NAMES.flatMap((name) => asked(body[name], MAX_ASKED) ?? []);
  return limits.length === 0 ? null : Math.max(...limits);
}

interface Tally {
  bytes: number;
  messages: number;
  images: number;
  audioCharacters: number;
  /** Numbers: each may be a token. */
  numbers: number;
  /** Bytes of all that is written, but for pictures and sound. */
  most: number;
  /** It names files that lie elsewhere. */
  files: boolean;
}

function tallyOf(request: JsonObject, isEmbeddings: boolean): Tally {
  const tally = { bytes: 0, messages: 0, images: 0, audioCharacters: 0, numbers: 0, most: 0, files: false };
  for (const [name, value] of Object.entries(request)) {
    if (name === "model" || typeof value === "number") continue;
    const isTalk = !isEmbeddings && (name === "messages" || name === "input");
    if (isTalk && Array.isArray(value)) for (const each of value) countMessage(each, tally);
    else count(value, tally);
  }
  return tally;
}

function estimated({ bytes, messages, images, audioCharacters, numbers }: Tally): number {
  return (
    Math.ceil(bytes / BYTES_PER_TOKEN) +
    messages * TOKENS_PER_MESSAGE +
    images * TOKENS_PER_IMAGE +
    Math.ceil(audioCharacters / AUDIO_CHARACTERS_PER_TOKEN) +
    numbers
  );
}

/** A token is a byte at least. */
function atMost({ most, messages, images, audioCharacters }: Tally): number {
  return (
    most +
    (messages + 1) * TOKENS_PER_MESSAGE +
    images * MAX_TOKENS_PER_IMAGE +
    Math.ceil(audioCharacters / MIN_AUDIO_CHARACTERS_PER_TOKEN)
  );
}

/** Members whose text the lab finds for itself: what was said before, what it looks up; and files, wherever they are named. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  ...["previous_response_id", "conversation", "search_parameters", "web_search_options"],
  ...["enable_search", "plugins", "data_sources"],
]);
const FILES: ReadonlySet<string> = new Set(["file_id", "file_url", "vector_store_ids"]);

/** Whether the lab adds to the prompt what nobody here can see. */
function isElsewhere(request: JsonObject): boolean {
  if (Object.keys(request).some((name) => ELSEWHERE.has(name) && isSet(request[name]))) return true;
  if (isObject(request.prompt)) return true; // a stored one
  return Array.isArray(request.tools) && request.tools.some(isHosted);
}

const isSet = (value: unknown) => value !== undefined && value !== null && value !== false;

/** A tool that the lab runs, and whose results are read as part of the prompt. */
const isHosted = (tool: unknown) =>
  isObject(tool) && tool.type !== "function" && tool.type !== "custom" && tool.type !== undefined;

/** Names that frame a text, and are no part of it. */
const FRAME = new Set(["role", "content", "type", "text"]);
const PART_TYPES: ReadonlySet<unknown> = new Set(["text", "input_text", "output_text", "refusal"]);
/** Role and type of a message, as TOKENS_PER_MESSAGE has them already. */
const FRAME_BYTES = 16;

function count(value: unknown, tally: Tally): void {
  if (typeof value === "string") countText(value, tally);
  else if (typeof value === "number") {
    tally.numbers++;
    tally.most += String(value).length;
  } else if (Array.isArray(value)) for (const each of value) count(each, tally);
  else if (isObject(value)) countMembers(value, NOTHING, tally);
  else if (value !== undefined) tally.most += 5;
}

function countText(text: string, tally: Tally, freeBytes = 0): void {
  const bytes = Buffer.byteLength(text);
  tally.bytes += Math.max(0, bytes - freeBytes);
  tally.most += bytes + 2;
}

const NOTHING: ReadonlySet<string> = new Set();

function countMembers(value: JsonObject, except: ReadonlySet<string>, tally: Tally): void {
  for (const name in value) {
    if (FILES.has(name) && value[name] !== null) tally.files = true;
    const bytes = Buffer.byteLength(name);
    tally.most += bytes + 4;
    if (except.has(name)) continue;
    if (!FRAME.has(name)) tally.bytes += bytes;
    count(value[name], tally);
  }
}

const OF_A_MESSAGE = new Set(["role", "type", "content", "output"]);
const OF_AN_ITEM = new Set(["content", "output"]);

/** A message, or another item of a conversation. */
function countMessage(message: unknown, tally: Tally): void {
  if (!isObject(message)) {
    count(message, tally);
    return;
  }
  const { role, type } = message;
  const isMessage = typeof role === "string";
  countMembers(message, isMessage ? OF_A_MESSAGE : OF_AN_ITEM, tally);
  if (isMessage) {
    tally.messages++;
    countText(typeof type === "string" ? role + type : role, tally, FRAME_BYTES);
    if (typeof type !== "string") count(type, tally);
  }
  for (const name of OF_AN_ITEM) {
    const content = message[name];
    if (Array.isArray(content)) for (const part of content) countPart(part, tally);
    else count(content, tally);
  }
}

const OF_A_PICTURE = new Set(["type", "image_url"]);
const OF_SOUND = new Set(["type", "input_audio"]);
const OF_A_TEXT = new Set(["type"]);

/** A content part: its picture or sound is the one text that holds it, and all the rest is read as text. */
function countPart(part: unknown, tally: Tally): void {
  if (!isObject(part)) {
    count(part, tally);
    return;
  }
  const { type, image_url, input_audio } = part;
  if (type === "image_url" || type === "input_image") {
    tally.images++;
    countMembers(part, OF_A_PICTURE, tally);
    if (typeof image_url !== "string") textWithin(image_url, "url", tally);
  } else if (type === "input_audio") {
    countMembers(part, OF_SOUND, tally);
    tally.audioCharacters += textWithin(input_audio, "data", tally).length;
  } else countMembers(part, PART_TYPES.has(type) ? OF_A_TEXT : NOTHING, tally);
}

/** Bytes of words beside a picture or sound: `mp3`, `high`. */
const NOTE_BYTES = 8;

/** The text that is the one member; the others are counted. */
function textWithin(holder: unknown, name: string, tally: Tally): string {
  if (!isObject(holder)) {
    count(holder, tally);
    return "";
  }
  const { [name]: data, ...notes } = holder;
  for (const [note, value] of Object.entries(notes))
    if (typeof value === "string")
      countText(note + value, tally, note.length <= NOTE_BYTES ? 2 * NOTE_BYTES : 0);
    else countMembers({ [note]: value }, NOTHING, tally);
  if (typeof data === "string") return data;
  count(data, tally);
  return "";
}

/** No lab gives more answers to one request; one that asks for more is refused by it. */
const MAX_ANSWERS = 128;
/** More than any model gives; so that products of what bodies say stay whole numbers. */
const MAX_ASKED = 10_000_000;

function asked(value: unknown, most: number): number | undefined {
  const whole = wholeIn(value, 1, Number.MAX_VALUE);
  return whole === undefined ? undefined : Math.min(whole, most);
}
