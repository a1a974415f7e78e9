import { visit } from "jsonc-parser";
import type { SpokenTo } from "../protocol.ts";
import { inDialect } from "./dialect.ts";

/** The request as it is sent to a deployment: the client's, byte for byte, but for the model's name and its dialect. */
export function bodyFor(bodyText: string, { model, dialect }: SpokenTo): string {
  return dialect === undefined ? withModel(bodyText, model) : inDialect(bodyText, model, dialect);
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
