import { Busboy, type BusboyHeaders, type BusboyInstance } from "@fastify/busboy";
import { Problem } from "../errors.ts";
import { invalidRequest } from "./input.ts";
import type { HttpRequest } from "./request.ts";

/** A form with one file in it, as it comes: parts in any order, a length announced or not. */
export interface Form {
  /** The bytes of the part `file`. Waits for it. @throws Problem where the form has none, or cannot be read */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** The form's other fields and the file's name, once the form is whole. */
  readonly fields: () => Promise<Readonly<Record<string, string>>>;
}

const MAX_FIELDS = 20;
const MAX_FIELD_BYTES = 4_096;

/**
 * Reads a multipart form as far as its file is read: what has not been asked for stays with its sender.
 * @throws Problem unsupported_media_type
 */
export function formOf({ headers, body }: HttpRequest): Form {
  const type = headers.get("content-type") ?? "";
  if (!/^multipart\/form-data\s*;.*boundary=[^\s;]/i.test(type))
    throw new Problem("unsupported_media_type", "The content type must be multipart/form-data.");
  const parser = parserOf(type);
  const fields: Record<string, string> = {};
  const file = Promise.withResolvers<AsyncIterable<Uint8Array>>();
  const whole = Promise.withResolvers<typeof fields>();
  // Each is told to whoever awaits it.
  for (const { promise } of [file, whole]) promise.catch(() => undefined);
  const fail = (message: string) => {
    const problem = invalidRequest([{ path: "body", message }]);
    file.reject(problem);
    whole.reject(problem);
    parser.destroy();
    return problem;
  };
  let stream: NodeJS.ReadableStream & { destroy(error?: Error): void };
  parser.on("file", (name, part, filename) => {
    if (name !== "file" || "filename" in fields) {
      part.resume();
      fail(name === "file" ? "has more than one `file`" : `${name} is no file of this route`);
      return;
    }
    fields.filename = filename ?? "file";
    stream = part;
    part.on("error", () => undefined); // whoever reads it is told
    file.resolve(part as AsyncIterable<Uint8Array>);
  });
  parser.on("field", (name, value, _cutName, isCut) => {
    if (isCut) fail(`${name} has over ${MAX_FIELD_BYTES} bytes`);
    fields[name] = value;
  });
  parser.on("error", (error: unknown) => {
    const problem = fail(`is no whole form: ${error instanceof Error ? error.message : "it broke off"}`);
    stream?.destroy(problem);
  });
  parser.on("finish", () => {
    if (!("filename" in fields)) fail("`file` is required");
    whole.resolve(fields);
  });
  pump(body, parser).catch((thrown: unknown) => {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    file.reject(error);
    whole.reject(error);
    stream?.destroy(error);
  });
  return {
    bytes: (async function* () {
      yield* await file.promise;
    })(),
    fields: () => whole.promise,
  };
}

function parserOf(type: string): BusboyInstance {
  const limits = { fields: MAX_FIELDS, fieldSize: MAX_FIELD_BYTES, files: 2, parts: MAX_FIELDS + 2 };
  try {
    return new Busboy({ headers: { "content-type": type } as BusboyHeaders, limits });
  } catch (thrown) {
    throw new Problem("unsupported_media_type", "The boundary cannot be read.", { cause: thrown });
  }
}

/** No faster than the parser takes it. */
async function pump(body: HttpRequest["body"], parser: BusboyInstance): Promise<void> {
  const reader = body?.getReader();
  for (let next = await reader?.read(); next?.value !== undefined; next = await reader?.read()) {
    if (parser.destroyed) return;
    const { value } = next;
    await new Promise<void>((resolve, reject) => {
      parser.once("close", resolve);
      parser.write(Buffer.from(value.buffer, value.byteOffset, value.length), (error) => {
        parser.removeListener("close", resolve);
        if (error == null) resolve();
        else reject(error);
      });
    });
  }
  if (!parser.destroyed) parser.end();
}
