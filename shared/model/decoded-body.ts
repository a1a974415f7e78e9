import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { BodyTooLarge, type WholeAnswer } from "../exchange.ts";

type Decompress = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>;
const unzlib: Decompress = promisify(inflate);
const unraw: Decompress = promisify(inflateRaw);

/** `deflate` is zlib's format by the standard, and bare by habit: only the first begins with such two bytes. */
const unflate: Decompress = (bytes, options) => {
  const [first = 0, second = 0] = bytes;
  const isZlib = (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
  return (isZlib ? unzlib : unraw)(bytes, options);
};

const DECODERS: Readonly<Record<string, Decompress>> = {
  gzip: promisify(gunzip),
  "x-gzip": promisify(gunzip),
  deflate: unflate,
  br: promisify(brotliDecompress),
};

/**
 * The body as it was before it was compressed: some relays compress though they are asked not to.
 * @throws BodyTooLarge where it would be longer than `limitBytes`, and an error for a coding that nobody knows, or a
 *   body that ends early
 */
export async function decodedBody(answer: WholeAnswer, limitBytes: number): Promise<Buffer> {
  const codings = String(answer.headers["content-encoding"] ?? "")
    .split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
  let bytes = answer.bytes;
  for (const coding of codings.reverse()) {
    const decode = Object.hasOwn(DECODERS, coding) ? DECODERS[coding] : undefined;
    if (decode === undefined) throw new Error(`the answer is compressed as ${coding}`);
    try {
      bytes = await decode(bytes, { maxOutputLength: limitBytes });
    } catch (thrown) {
      const isTooLong = (thrown as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
      throw isTooLong ? new BodyTooLarge(limitBytes) : thrown;
    }
  }
  return bytes;
}
