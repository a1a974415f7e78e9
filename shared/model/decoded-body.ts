import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw, zstdDecompress } from "node:zlib";
import { BodyTooLarge, type WholeAnswer } from "../exchange.ts";

type Decompress = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>;
const unzip: Decompress = promisify(gunzip);
const unzlib: Decompress = promisify(inflate);
const unraw: Decompress = promisify(inflateRaw);

/** `deflate` is zlib's format by the standard, and bare by habit: only the first begins with such two bytes. */
const unflate: Decompress = (bytes, options) => {
  const [first = 0, second = 0] = bytes;
  const isZlib = (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0;
  return (isZlib ? unzlib : unraw)(bytes, options);
};

/** Some declare it of a body that they did not compress, or that somebody on the way has decoded. */
const ungzip: Decompress = async (bytes, options) =>
  bytes[0] === 0x1f && bytes[1] === 0x8b ? unzip(bytes, options) : Buffer.from(bytes);

const DECODERS: Readonly<Record<string, Decompress>> = {
  gzip: ungzip,
  "x-gzip": ungzip,
  deflate: unflate,
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
};

function codingsOf(headers: WholeAnswer["headers"]): readonly string[] {
  const codings = String(headers["content-encoding"] ?? "").split(",");
  // Some take it for the place to say which characters there are.
  return codings
    .map((each) => each.trim().toLowerCase())
    .filter((each) => !/^(identity|none|utf-?8)?$/.test(each));
}

export function isCompressed(headers: WholeAnswer["headers"]): boolean {
  return codingsOf(headers).length > 0;
}

/**
 * The body as it was before it was compressed: some relays compress though they are asked not to.
 * @throws BodyTooLarge where it would be longer than `limitBytes`, and an error for a coding that nobody knows, or a
 *   body that ends early
 */
export async function decodedBody(answer: WholeAnswer, limitBytes: number): Promise<Buffer> {
  let bytes = answer.bytes;
  for (const coding of codingsOf(answer.headers).toReversed()) {
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
