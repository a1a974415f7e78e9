import type { OperationInput } from "@azure/cosmos";
import type { z } from "zod";
import type { Clock } from "../../clock.ts";
import { evenPages, type FileKey, isExpired, type Page, type StoredFile } from "../../files/file.ts";
import type { FileFilter, FileStore } from "../../files/ports.ts";
import { StoreUnavailable, UnreadableItem } from "../../store.ts";
import { someAtOnce } from "./content.ts";
import { filePagesPlace, filePlace, fileWritingPlace, ITEMS, pagePlace } from "./items.ts";
import { nameOf, type StoredItems } from "./stored-items.ts";
import { isSuperseded, unexpected } from "./transaction.ts";

/** Sorts by creation. */
const listedAs = ({ created_at_ms, file_id }: Pick<StoredFile, "created_at_ms" | "file_id">) =>
  `file/${String(created_at_ms).padStart(15, "0")}/${file_id}`;
const ALL = { "@from": "file/", "@to": "file/~" } as const;

/**
 * What is said of a file lies in `jobs`, its pages in a container of their own: large files take throughput from other
 * files alone.
 */
export class CosmosFiles implements FileStore {
  readonly #jobs: StoredItems;
  readonly #files: StoredItems;
  readonly #clock: Pick<Clock, "now">;

  constructor(jobs: StoredItems, files: StoredItems, clock: Pick<Clock, "now">) {
    this.#jobs = jobs;
    this.#files = files;
    this.#clock = clock;
  }

  async begin(key: FileKey, uncommittedUntilMs: number): Promise<void> {
    const { tenant_id, file_id: job_id } = key;
    const fields = { tenant_id, job_id, due_at_ms: uncommittedUntilMs };
    await this.#jobs.put(ITEMS.file_writing, fileWritingPlace(key, "writing"), fields);
  }

  writePage(key: FileKey, pageId: string, bytes: Uint8Array): Promise<void> {
    const { tenant_id, file_id } = key;
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
    return this.#files.put(ITEMS.page, pagePlace(key, pageId), { tenant_id, file_id, text });
  }

  async commit(file: StoredFile, pages?: readonly Page[]): Promise<boolean> {
    const { file_id, ...fields } = file;
    const { tenant_id, expires_at_ms } = file;
    const wake = expires_at_ms === null ? {} : { due_at_ms: expires_at_ms };
    const own = { ...fields, job_id: file_id, listed: listedAs(file), ...wake };
    const operations: OperationInput[] = [
      this.#jobs.writing(ITEMS.file, filePlace(file), own),
      ...(pages === undefined
        ? []
        : [
            this.#jobs.writing(ITEMS.file_pages, filePagesPlace(file), { tenant_id, job_id: file_id, pages }),
          ]),
      { operationType: "Delete", id: fileWritingPlace(file, "writing").id },
    ];
    const result = await this.#jobs.batch("commit file", filePlace(file).partition, operations);
    if (result.kind === "done" || result.status === 409) return true;
    if (result.status === 404) return false;
    throw unexpected("commit file", result.status);
  }

  async read(key: FileKey): Promise<StoredFile | undefined> {
    const found = await this.#jobs.read(ITEMS.file, filePlace(key));
    const file = found && fileOf(found.value);
    return file === undefined || isExpired(file, this.#clock.now()) ? undefined : file;
  }

  async pages(file: StoredFile): Promise<readonly Page[]> {
    if (file.even_pages !== undefined) return evenPages(file.even_pages, file.bytes);
    const found = await this.#jobs.read(ITEMS.file_pages, filePagesPlace(file));
    if (found !== undefined) return found.value.pages;
    throw new UnreadableItem("file_pages", file.file_id, "it is gone");
  }

  async readPage(key: FileKey, pageId: string): Promise<Uint8Array> {
    const place = pagePlace(key, pageId);
    const found = await this.#files.read(ITEMS.page, place);
    if (found !== undefined) return Buffer.from(found.value.text, "base64");
    throw new UnreadableItem("page", nameOf({ ...key, id: pageId }), "it is gone");
  }

  async list(
    tenantId: string,
    { purpose, order, limit, after }: FileFilter,
  ): Promise<{ files: readonly StoredFile[]; hasMore: boolean }> {
    const bound =
      after && (order === "asc" ? { "@from": `${listedAs(after)}~` } : { "@to": listedAs(after) });
    const nowMs = this.#clock.now();
    const query = {
      top: limit + 1,
      where: `c.listed >= @from AND c.listed < @to AND (IS_NULL(c.expires_at_ms) OR c.expires_at_ms > @now)${purpose === undefined ? "" : " AND c.purpose = @purpose"}`,
      orderBy: `c.listed ${order === "asc" ? "ASC" : "DESC"}`,
      parameters: {
        ...ALL,
        ...bound,
        "@now": nowMs,
        ...(purpose === undefined ? {} : { "@purpose": purpose }),
      },
    };
    const found = await this.#jobs.find(ITEMS.file, query, ITEMS.file.document, { partition: [tenantId] });
    return { files: found.slice(0, limit).map(fileOf), hasMore: found.length > limit };
  }

  async used(tenantId: string): Promise<{ files: number; bytes: number }> {
    const query = { select: "c.bytes", where: "c.listed >= @from AND c.listed < @to", parameters: ALL };
    const row = ITEMS.file.document.pick({ bytes: true });
    const found = await this.#jobs.find(ITEMS.file, query, row, { partition: [tenantId] });
    return { files: found.length, bytes: found.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  /** From the moment that nobody finds the file, the sweeper knows of its pages. */
  async remove(key: FileKey): Promise<boolean> {
    if (await this.#taken(key, filePlace(key).id)) {
      await this.#removeLoosePages(key);
      return true;
    }
    return (await this.#jobs.read(ITEMS.file_writing, fileWritingPlace(key, "removing"))) !== undefined;
  }

  async discard(key: FileKey): Promise<void> {
    if (await this.#taken(key, "writing")) await this.#removeLoosePages(key);
  }

  /** Where it fails the sweeper does it: nobody can read them any more. */
  async #removeLoosePages(key: FileKey): Promise<void> {
    try {
      await this.#removePages(key);
    } catch (thrown) {
      if (!(thrown instanceof StoreUnavailable)) throw thrown;
    }
  }

  async #taken(key: FileKey, id: string): Promise<boolean> {
    const { tenant_id, file_id: job_id } = key;
    const fields = { tenant_id, job_id, due_at_ms: this.#clock.now() };
    const result = await this.#jobs.batch("take file", filePlace(key).partition, [
      { operationType: "Delete", id },
      this.#jobs.writing(ITEMS.file_writing, fileWritingPlace(key, "removing"), fields),
    ]);
    if (result.kind === "done") return true;
    if (isSuperseded(result.status)) return false;
    throw unexpected("take file", result.status);
  }

  async #removePages(key: FileKey): Promise<void> {
    const { partition } = pagePlace(key, "");
    const query = { select: "c.id", byIds: true } as const;
    const row = ITEMS.page.document.pick({ id: true });
    const found = await this.#files.find(ITEMS.page, query, row, { partition });
    await someAtOnce(found, ({ id }) => this.#files.remove(ITEMS.page, { id, partition }));
    await this.#jobs.remove(ITEMS.file_pages, filePagesPlace(key));
    await this.#jobs.remove(ITEMS.file_writing, fileWritingPlace(key, "removing"));
  }

  /** Files whose time is over, and what uploads and removals have left. @returns how many */
  async removeDue(nowMs: number, limit: number): Promise<number> {
    const query = { top: limit, where: "c.due_at_ms <= @now", parameters: { "@now": nowMs } as const };
    const where = { pageItems: limit };
    const expired = await this.#jobs.find(ITEMS.file, query, ITEMS.file.document, where);
    for (const { tenant_id, job_id: file_id } of expired) await this.remove({ tenant_id, file_id });
    const left = await this.#jobs.find(ITEMS.file_writing, query, ITEMS.file_writing.document, where);
    for (const { id, tenant_id, job_id: file_id } of left) {
      const key = { tenant_id, file_id };
      if (id === "removing") await this.#removePages(key);
      else await this.discard(key);
    }
    return expired.length + left.length;
  }
}

function fileOf(item: z.infer<typeof ITEMS.file.document>): StoredFile {
  const { tenant_id, job_id, filename, purpose, bytes, created_at_ms, expires_at_ms, even_pages } = item;
  return {
    ...{ tenant_id, file_id: job_id, filename, purpose, bytes, created_at_ms, expires_at_ms },
    ...(even_pages === undefined ? {} : { even_pages }),
  };
}
