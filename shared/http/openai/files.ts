import { z } from "zod";
import { Problem } from "../../errors.ts";
import { contentOf } from "../../files/content.ts";
import {
  type FileKey,
  MAX_EXPIRY_SECONDS,
  MIN_EXPIRY_SECONDS,
  PURPOSES,
  rangeOf,
  type StoredFile,
  UPLOAD_PURPOSES,
} from "../../files/file.ts";
import type { FileStore } from "../../files/ports.ts";
import { type FileFields, type UploadDeps, upload } from "../../files/upload.ts";
import { CHUNK_BYTES } from "../../limits.ts";
import { json } from "../answer.ts";
import { text, unixTime, whole } from "../api/fields.ts";
import { pageOf, pageSchema } from "../api/page.ts";
import { invalidRequest } from "../input.ts";
import { formOf } from "../multipart.ts";
import { type Route, route } from "../route.ts";
import type { Throttle } from "../throttle.ts";
import { atPaths } from "./paths.ts";

export interface FilesDeps {
  readonly throttle: Throttle;
  readonly files: FileStore;
  readonly upload: UploadDeps;
}

const FILE_ID = /^file-[0-9a-f]{32}$/;
export const fileInPath = {
  schema: z.object({
    id: z.string().regex(FILE_ID, "No such File object.").describe("The file's id."),
  }),
  absent: "file_not_found",
} as const;

export const fileSchema = z
  .object({
    id: text("`file-…`"),
    object: z.literal("file"),
    bytes: whole("Its size."),
    created_at: unixTime("When it was uploaded, or made."),
    expires_at: unixTime("When it goes.").nullable(),
    filename: text("As it was uploaded."),
    purpose: text(PURPOSES.map((each) => `\`${each}\``).join(", ")),
    status: z.literal("processed"),
    status_details: z.null().describe("Always null."),
  })
  .meta({ id: "OpenaiFile", title: "A file" });

const secondsOf = (ms: number) => Math.floor(ms / 1000);

export function fileResource(file: StoredFile): z.input<typeof fileSchema> {
  const { file_id: id, bytes, created_at_ms, expires_at_ms, filename, purpose } = file;
  return {
    ...{ id, object: "file", bytes, created_at: secondsOf(created_at_ms) },
    expires_at: expires_at_ms === null ? null : secondsOf(expires_at_ms),
    ...{ filename, purpose, status: "processed", status_details: null },
  };
}

const EXPIRY = `must be a whole number from ${MIN_EXPIRY_SECONDS} to ${MAX_EXPIRY_SECONDS}`;
const formSchema = z.object({
  filename: z.string(),
  purpose: z.enum(UPLOAD_PURPOSES, `must be one of ${UPLOAD_PURPOSES.join(", ")}`),
  "expires_after[anchor]": z.literal("created_at", "must be `created_at`").optional(),
  "expires_after[seconds]": z
    .string()
    .regex(/^\d{1,9}$/, EXPIRY)
    .transform(Number)
    .pipe(z.int().min(MIN_EXPIRY_SECONDS, EXPIRY).max(MAX_EXPIRY_SECONDS, EXPIRY))
    .optional(),
});

function fieldsOf(sent: Readonly<Record<string, string>>): FileFields {
  const parsed = formSchema.safeParse(sent);
  if (!parsed.success)
    throw invalidRequest(parsed.error.issues.map(({ path, message }) => ({ path: path.join("."), message })));
  const { filename, purpose, "expires_after[seconds]": expiresAfterSeconds } = parsed.data;
  return { filename, purpose, expiresAfterSeconds };
}

const create = route({
  name: "create-file",
  method: "POST",
  path: "files",
  who: "tenant",
  summary: "Upload a file, in a form of any order",
  upload: z.object({
    file: text("The file.").meta({ format: "binary" }),
    purpose: text(UPLOAD_PURPOSES.map((each) => `\`${each}\``).join(", ")),
    "expires_after[anchor]": text("`created_at`").optional(),
    "expires_after[seconds]": whole("Input of batches goes after 30 days, other files stay.").optional(),
  }),
  answers: { 200: { description: "The file.", schema: fileSchema } },
  errors: ["invalid_request", "unsupported_media_type", "file_too_large", "file_limit_reached"],
  handle: async (deps: FilesDeps, { request }, { tenant }, visit) => {
    const form = formOf(request);
    // A page or two are in memory at a time, as bytes and as text.
    const room = deps.throttle.takeBody(tenant, CHUNK_BYTES, visit.log);
    try {
      const fields = async () => fieldsOf(await form.fields());
      return json(200, fileResource(await upload(deps.upload, tenant.id, { bytes: form.bytes, fields })));
    } finally {
      room.leave();
    }
  },
});

const MAX_FILES_LISTED = 10_000;
const WHICH_LIMIT = `must be a whole number from 1 to ${MAX_FILES_LISTED}`;
const list = route({
  name: "list-files",
  method: "GET",
  path: "files",
  who: "tenant",
  summary: "List files, newest first, those that batches made among them",
  query: z.object({
    purpose: z
      .enum(PURPOSES, `must be one of ${PURPOSES.join(", ")}`)
      .optional()
      .describe("Only these."),
    order: z.enum(["asc", "desc"], "must be asc or desc").default("desc").describe("By creation."),
    limit: z
      .string()
      .regex(/^\d{1,5}$/, WHICH_LIMIT)
      .transform(Number)
      .pipe(z.int().min(1, WHICH_LIMIT).max(MAX_FILES_LISTED, WHICH_LIMIT))
      .default(MAX_FILES_LISTED)
      .describe("How many."),
    after: z
      .string()
      .regex(FILE_ID, "must be the id of a file")
      .optional()
      .describe("The last of the page before."),
  }),
  answers: { 200: { description: "A page.", schema: pageSchema(fileSchema) } },
  errors: ["file_not_found"],
  handle: async ({ files }: FilesDeps, { query: { after, ...filter } }, { tenant }) => {
    const last =
      after === undefined ? undefined : await found(files, { tenant_id: tenant.id, file_id: after });
    const { files: some, hasMore } = await files.list(tenant.id, { ...filter, after: last });
    return json(200, pageOf(some.map(fileResource), hasMore));
  },
});

export async function found(files: Pick<FileStore, "read">, key: FileKey): Promise<StoredFile> {
  const file = await files.read(key);
  if (file !== undefined) return file;
  throw noSuchFile(key.file_id);
}

const noSuchFile = (id: string) => new Problem("file_not_found", `No such File object: ${id}`);

const get = route({
  name: "retrieve-file",
  method: "GET",
  path: "files/{id}",
  who: "tenant",
  summary: "What is said of a file",
  params: fileInPath,
  answers: { 200: { description: "The file.", schema: fileSchema } },
  errors: ["file_not_found"],
  handle: async ({ files }: FilesDeps, { path }, { tenant }) =>
    json(200, fileResource(await found(files, { tenant_id: tenant.id, file_id: path.id }))),
});

const content = route({
  name: "retrieve-file-content",
  method: "GET",
  path: "files/{id}/content",
  who: "tenant",
  summary: "A file's bytes, or a range of them",
  params: fileInPath,
  headers: z.object({ Range: text("`bytes=0-99`: these alone.").optional() }),
  answers: {
    200: {
      description: "The bytes.",
      type: "application/octet-stream",
      schema: text("As they were uploaded."),
    },
    206: { description: "Those of the range.", type: "application/octet-stream", schema: text("The same.") },
    416: { description: "The file has none of these bytes." },
  },
  errors: ["file_not_found"],
  handle: async ({ files }: FilesDeps, { path, headers }, { tenant }) => {
    const file = await found(files, { tenant_id: tenant.id, file_id: path.id });
    const range = rangeOf(headers.Range, file.bytes);
    if (range === "none") return { status: 416, headers: { "content-range": `bytes */${file.bytes}` } };
    const body = contentOf(files, file, await files.pages(file), range);
    const type = { "content-type": "application/octet-stream", "accept-ranges": "bytes" };
    if (range === undefined)
      return { status: 200, headers: { ...type, "content-length": String(file.bytes) }, body };
    const { from, to } = range;
    return {
      status: 206,
      headers: {
        ...{ ...type, "content-length": String(to - from + 1) },
        "content-range": `bytes ${from}-${to}/${file.bytes}`,
      },
      body,
    };
  },
});

const remove = route({
  name: "delete-file",
  method: "DELETE",
  path: "files/{id}",
  who: "tenant",
  summary: "Delete a file",
  params: fileInPath,
  answers: {
    200: {
      description: "It is gone.",
      schema: z.object({ id: text("`file-…`"), object: z.literal("file"), deleted: z.literal(true) }),
    },
  },
  errors: ["file_not_found"],
  handle: async ({ files }: FilesDeps, { path: { id } }, { tenant }) => {
    if (!(await files.remove({ tenant_id: tenant.id, file_id: id }))) throw noSuchFile(id);
    return json(200, { id, object: "file", deleted: true });
  },
});

export const fileRoutes: readonly Route<FilesDeps>[] = [create, list, get, content, remove].flatMap((each) =>
  atPaths(each as Route<FilesDeps>, { azure: `openai/${each.path}` }),
);
