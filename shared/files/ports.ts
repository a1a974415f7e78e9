import type { FileKey, Page, Purpose, StoredFile } from "./file.ts";

export interface FileFilter {
  readonly purpose?: Purpose | undefined;
  readonly order: "asc" | "desc";
  readonly limit: number;
  /** Only files that come after this one in the list. */
  readonly after?: Pick<StoredFile, "file_id" | "created_at_ms"> | undefined;
}

/** Files as they are stored. Every method throws StoreUnavailable; reads of one also UnreadableItem. */
export interface FileStore {
  /** Before a file's first page: what is not committed until then is removed. */
  begin(key: FileKey, uncommittedUntilMs: number): Promise<void>;
  writePage(key: FileKey, pageId: string, bytes: Uint8Array): Promise<void>;
  /**
   * The file is there from now on. A second time is no error.
   * @param pages where they are not even
   * @returns false: what `begin` began was removed meanwhile
   */
  commit(file: StoredFile, pages?: readonly Page[]): Promise<boolean>;
  /** Undefined: there is none, or it has expired. */
  read(key: FileKey): Promise<StoredFile | undefined>;
  pages(file: StoredFile): Promise<readonly Page[]>;
  readPage(key: FileKey, pageId: string): Promise<Uint8Array>;
  list(tenantId: string, filter: FileFilter): Promise<{ files: readonly StoredFile[]; hasMore: boolean }>;
  /** What a tenant's files take together. */
  used(tenantId: string): Promise<{ files: number; bytes: number }>;
  /**
   * The file is gone from now on; its pages follow. A second time is no error while they do.
   * @returns false: there was none
   */
  remove(key: FileKey): Promise<boolean>;
  /** What an upload that broke off has left. */
  discard(key: FileKey): Promise<void>;
  /** Files whose time is over, and what is left of others: so many at most. @returns how many */
  removeDue(nowMs: number, limit: number): Promise<number>;
}
