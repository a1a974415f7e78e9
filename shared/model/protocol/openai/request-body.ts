import { applyEdits, modify, visit } from "jsonc-parser";
import type { SpokenTo } from "../protocol.ts";
import { inDialect } from "./dialect.ts";

/**
 * The request as it is sent to a deployment: the client's, byte for byte, but for the model's name, its dialect, and
 * whether the answer is to be streamed.
 */
export function bodyFor(bodyText: string, { model, dialect }: SpokenTo, isStreamed: boolean): string {
  const text = saysStream(bodyText) ? (isStreamed ? streamed(bodyText) : whole(bodyText)) : bodyText;
  return dialect === undefined ? withModel(text, model) : inDialect(text, model, dialect);
}

function saysStream(bodyText: string): boolean {
  return bodyText.includes('"stream"') && (JSON.parse(bodyText) as { stream?: unknown }).stream === true;
}

const replaced = (text: string, path: string[], value: unknown) =>
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
