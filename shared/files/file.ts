import { CHUNK_BYTES } from "../limits.ts";

/** Names a file: it is its tenant's alone. */
export interface FileKey {
  readonly tenant_id: string;
  readonly file_id: string;
}

/** As OpenAI has them. The first may be uploaded; `batch_output` is what batches make. */
export const UPLOAD_PURPOSES = [
  ...(["batch", "assistants", "fine-tune", "vision", "user_data", "evals"] as const),
] as const;
export const PURPOSES = [...UPLOAD_PURPOSES, "batch_output"] as const;
export type Purpose = (typeof PURPOSES)[number];

/** A file's description; its bytes lie in pages. Times in Unix ms. */
export interface StoredFile extends FileKey {
  readonly filename: string;
  readonly purpose: Purpose;
  readonly bytes: number;
  readonly created_at_ms: number;
  /** Null: it stays until it is deleted. */
  readonly expires_at_ms: number | null;
  /** How many pages, where all but the last are of PAGE_BYTES; undefined: a list of them is stored. */
  readonly even_pages?: number;
}

/** A stretch of a file that is stored as one item, written once. */
export interface Page {
  readonly id: string;
  readonly bytes: number;
}

/** Bytes of a page; in base64 they fill a chunk. */
export const PAGE_BYTES = (CHUNK_BYTES / 4) * 3;

const DAY_SECONDS = 86_400;
/** As OpenAI has it: input of batches goes after 30 days, other files stay. */
export const DEFAULT_EXPIRY_SECONDS = 30 * DAY_SECONDS;
export const MIN_EXPIRY_SECONDS = 3_600;
export const MAX_EXPIRY_SECONDS = 30 * DAY_SECONDS;

/** When a file goes. @param asked seconds after its creation; undefined: nothing was asked */
export function expiryMs(purpose: Purpose, createdMs: number, asked: number | undefined): number | null {
  if (asked !== undefined) return createdMs + asked * 1000;
  return purpose === "batch" || purpose === "batch_output" ? createdMs + DEFAULT_EXPIRY_SECONDS * 1000 : null;
}

export function isExpired({ expires_at_ms }: StoredFile, nowMs: number): boolean {
  return expires_at_ms !== null && expires_at_ms <= nowMs;
}

export const evenPageId = (n: number): string => `page-${String(n).padStart(6, "0")}`;

/** The pages of a file whose pages are even. */
export function evenPages(count: number, bytes: number): Page[] {
  return Array.from({ length: count }, (_, n) => ({
    id: evenPageId(n),
    bytes: n + 1 < count ? PAGE_BYTES : bytes - n * PAGE_BYTES,
  }));
}

/** Both ends in it. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

/**
 * What a Range header asks of so many bytes (RFC 9110): undefined, the whole, also where it asks for several stretches or
 * cannot be understood; `none`, nothing that there is.
 */
export function rangeOf(header: string | undefined, bytes: number): ByteRange | "none" | undefined {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  if (first === "") {
    const from = Math.max(0, bytes - Number(last));
    return Number(last) === 0 || bytes === 0 ? "none" : { from, to: bytes - 1 };
  }
  const to = last === "" ? bytes - 1 : Math.min(Number(last), bytes - 1);
  if (last !== "" && Number(last) < Number(first)) return undefined;
  return Number(first) >= bytes ? "none" : { from: Number(first), to };
}
