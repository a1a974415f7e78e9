import { parentPort } from "node:worker_threads";
import { Ajv2020 } from "ajv/dist/2020.js";

/** What the thread is asked, and what it answers. */
export interface Question {
  readonly schema: string;
  readonly texts: readonly string[];
}
export type Verdict =
  | { readonly kind: "valid" }
  /** `why`: where, and what is wrong there. It repeats of the answer. */
  | { readonly kind: "invalid"; readonly why: string }
  /** Nobody can tell: the schema is none, or took too long. */
  | { readonly kind: "unavailable" };

function verdictOf({ schema, texts }: Question): Verdict {
  // What a lab's dialect of JSON Schema adds is nobody's fault, and formats are what labs do not hold themselves to.
  const ajv = new Ajv2020({ strict: false, validateFormats: false, addUsedSchema: false, logger: false });
  let holds: ReturnType<typeof ajv.compile>;
  try {
    const { $schema: _, $id: _id, ...own } = JSON.parse(schema) as Record<string, unknown>;
    holds = ajv.compile(own);
  } catch {
    return { kind: "unavailable" };
  }
  for (const text of texts) {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return { kind: "invalid", why: "it is not JSON" };
    }
    if (holds(value)) continue;
    const [first] = holds.errors ?? [];
    return { kind: "invalid", why: `${first?.instancePath ?? ""} ${first?.message ?? ""}`.trim() };
  }
  return { kind: "valid" };
}

parentPort?.on("message", (question: Question) => parentPort?.postMessage(verdictOf(question)));
parentPort?.postMessage("ready");
