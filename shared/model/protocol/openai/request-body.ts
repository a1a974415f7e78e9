import { applyEdits, modify, visit } from "jsonc-parser";
import type { Endpoint } from "../../endpoint.ts";
import { SEAL, unsealed } from "../encrypted.ts";
import { field, filledArray } from "../json.ts";
import type { SpokenTo, Unsayable } from "../protocol.ts";
import { inDialect, unmappable } from "./dialect.ts";

/**
 * The request as it is sent to a deployment: the client's, byte for byte, but for the model's name, its dialect, the seal
 * of thoughts, and whether the answer is to be streamed.
 */
export function bodyFor(
  endpoint: Endpoint,
  bodyText: string,
  { model, dialect }: SpokenTo,
  isStreamed: boolean,
): string {
  const streaming = isStreamed ? (endpoint === "/v1/responses" ? bodyText : streamed(bodyText)) : undefined;
  const asked = saysStream(bodyText) ? (streaming ?? whole(bodyText)) : bodyText;
  const text = withoutSeals(asked);
  return dialect === undefined ? withModel(text, model) : inDialect(text, model, dialect);
}

/** Thoughts as the lab gave them. Those of another deployment are not here: it cannot be asked. */
function withoutSeals(bodyText: string): string {
  return sealsIn(bodyText).reduce(
    (text, { at, content }) => replaced(text, ["input", at, "encrypted_content"], content),
    bodyText,
  );
}

interface Seal {
  /** The item's place in the input. */
  readonly at: number;
  readonly deployment: string;
  readonly content: string;
}

function sealsIn(bodyText: string): readonly Seal[] {
  return bodyText.includes(SEAL) ? sealsOf(JSON.parse(bodyText)) : [];
}

function sealsOf(body: unknown): readonly Seal[] {
  const items = filledArray(field(body, "input")) ?? [];
  return items.flatMap((item, at) => {
    const said = field(item, "encrypted_content");
    const sealed = typeof said === "string" ? unsealed(said) : undefined;
    return sealed === undefined ? [] : [{ at, ...sealed }];
  });
}

/** Why a request cannot be put to a deployment: its dialect, or thoughts that another one must be given back. */
export function unsayableTo(
  endpoint: Endpoint,
  body: () => unknown,
  { name, dialect }: SpokenTo,
): Unsayable | undefined {
  if (dialect === undefined && endpoint !== "/v1/responses") return undefined;
  const parsed = body();
  const seal =
    endpoint === "/v1/responses" ? sealsOf(parsed).find((each) => each.deployment !== name) : undefined;
  if (seal !== undefined)
    return { why: `no thoughts of ${seal.deployment}`, param: `input[${seal.at}].encrypted_content` };
  return dialect === undefined ? undefined : unmappable(dialect, parsed);
}

function saysStream(bodyText: string): boolean {
  return bodyText.includes('"stream"') && (JSON.parse(bodyText) as { stream?: unknown }).stream === true;
}

const replaced = (text: string, path: (string | number)[], value: unknown) =>
  applyEdits(text, modify(text, path, value, {}));

/** The usage is asked for whether or not the client asked: the call is billed by it. */
function streamed(bodyText: string): string {
  const { stream_options } = JSON.parse(bodyText) as { stream_options?: object | null };
  return replaced(bodyText, ["stream_options"], { ...stream_options, include_usage: true });
}

function whole(bodyText: string): string {
  return replaced(replaced(bodyText, ["stream_options"], undefined), ["stream"], undefined);
}

/**
 * The same JSON text with the value of the top-level `model` replaced and every other byte as it was: numbers, the
 * order of keys and white space stay.
 * @param bodyText a valid JSON object with one top-level string `model`
 */
export function withModel(bodyText: string, model: string): string {
  const { offset, length } = modelSpan(bodyText);
  return bodyText.slice(0, offset) + JSON.stringify(model) + bodyText.slice(offset + length);
}

function modelSpan(bodyText: string): { offset: number; length: number } {
  let depth = 0;
  let atModel = false;
  let span: { offset: number; length: number } | undefined;
  visit(bodyText, {
    onObjectBegin: () => {
      depth++;
    },
    onObjectEnd: () => {
      depth--;
    },
    onObjectProperty: (name) => {
      atModel = depth === 1 && name === "model";
    },
    onLiteralValue: (_value, offset, length) => {
      if (atModel && depth === 1) span = { offset, length };
      atModel = false;
    },
  });
  if (span === undefined) throw new TypeError("the body has no top-level model");
  return span;
}
