import { isObject, type JsonObject, wordOf } from "../json.ts";
import { CannotSay, refuseOthers } from "../protocol.ts";

/** Of pictures; other kinds are not taken. */
const PICTURES: ReadonlySet<string> = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"]);
const DOCUMENTS: ReadonlySet<string> = new Set(["application/pdf"]);

/**
 * A message's content in blocks. A text of nothing makes none: Anthropic refuses it.
 * @param types the parts that it may have
 * @throws CannotSay
 */
export function blocksOf(content: unknown, param: string, types: readonly string[]): JsonObject[] {
  if (content === undefined || content === null) return [];
  if (typeof content === "string") return textBlocks(content);
  if (!Array.isArray(content)) throw new CannotSay(param);
  return content.flatMap((part: unknown, index) => {
    const at = `${param}[${index}]`;
    if (!isObject(part) || !types.includes(wordOf(part.type)))
      throw new CannotSay(at, `no ${wordOf(isObject(part) ? part.type : typeof part)} there`);
    return partOf(part, at).map((block) => ({ ...block, ...cacheControlOf(part, at) }));
  });
}

const textBlocks = (text: string): JsonObject[] => (text === "" ? [] : [{ type: "text", text }]);

function partOf(part: JsonObject, param: string): JsonObject[] {
  switch (part.type) {
    case "text":
    case "refusal": {
      refuseOthers(part, ["type", part.type, "cache_control"], param);
      const text = part[part.type];
      if (typeof text !== "string") throw new CannotSay(param);
      return textBlocks(text);
    }
    case "image_url":
      refuseOthers(part, ["type", "image_url", "cache_control"], param);
      return [pictureOf(part.image_url, param)];
    default:
      refuseOthers(part, ["type", "file", "cache_control"], param);
      return [documentOf(part.file, param)];
  }
}

function pictureOf(image: unknown, param: string): JsonObject {
  const of = isObject(image) ? image : {};
  refuseOthers(of, ["url", "detail"], `${param}.image_url`);
  const { url } = of;
  const detail = of.detail ?? "auto";
  // What else can be said of the detail is how much of it is to be left out.
  if (detail !== "auto" && detail !== "high")
    throw new CannotSay(`${param}.image_url.detail`, `no detail ${wordOf(detail)} of pictures`);
  if (typeof url !== "string") throw new CannotSay(param);
  if (/^https:/i.test(url)) return { type: "image", source: { type: "url", url } };
  return { type: "image", source: sourceOf(url, PICTURES, `${param}.image_url.url`) };
}

function documentOf(file: unknown, param: string): JsonObject {
  const of = isObject(file) ? file : {};
  const { file_data, filename } = of;
  if (typeof file_data !== "string") throw new CannotSay(`${param}.file`, "no files by their id");
  refuseOthers(of, ["file_data", "filename"], `${param}.file`);
  const source = sourceOf(file_data, DOCUMENTS, `${param}.file.file_data`);
  return { type: "document", source, ...(typeof filename === "string" ? { title: filename } : {}) };
}

/** The bytes that a `data:` address holds. */
function sourceOf(url: string, types: ReadonlySet<string>, param: string): JsonObject {
  const [head = "", data] = url.split(",", 2);
  const type = /^data:([\w.+-]+\/[\w.+-]+);base64$/i.exec(head)?.[1]?.toLowerCase();
  if (type === undefined || !types.has(type) || data === undefined)
    throw new CannotSay(param, `no ${type ?? "such address"} there`);
  return { type: "base64", media_type: type, data };
}

/** Anthropic's own mark of what its cache is to hold, as clients of its models put it on a part. */
function cacheControlOf({ cache_control: said }: JsonObject, param: string): JsonObject {
  if (said === undefined || said === null) return {};
  // A longer time has a price of its own, and the catalogue has one.
  const isPlain = isObject(said) && said.type === "ephemeral" && (said.ttl ?? "5m") === "5m";
  if (!isPlain) throw new CannotSay(`${param}.cache_control`, "no cache of more than 5 minutes");
  return { cache_control: said };
}
