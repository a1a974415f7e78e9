import { z } from "zod";

/** What all stores share: how an item is named, read and written, and what a cloud can do to either. */

/** Version of the items and messages this host writes; hosts of two neighbouring versions work side by side. */
export const STORED_VERSION = 1;

/**
 * Whether an item of version `v` may be read, changed and written back: one's own or a neighbour's. A changed item
 * keeps its `v` and every field that this version does not know.
 */
export function isKnownVersion(v: unknown): boolean {
  return typeof v === "number" && Number.isInteger(v) && Math.abs(v - STORED_VERSION) <= 1;
}

export interface JobKey {
  readonly tenant_id: string;
  readonly job_id: string;
}

export interface Stored<T> {
  readonly value: T;
  /** The etag of the stored version. A write that names an older one is refused. */
  readonly etag: string;
}

/** How a conditional write ended. `superseded`: a newer version is there. */
export type WriteResult =
  | { readonly kind: "written"; readonly etag: string }
  | { readonly kind: "superseded" };

/** The store cannot be reached, is too slow or throttles beyond patience. A write may or may not have been applied. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
}

/**
 * An item that this version cannot read: damaged, or of a version to come. It is a fault of that item, not an outage:
 * whoever reads many passes it over, and it is not worth another try.
 */
export class UnreadableItem extends Error {
  override readonly name = "UnreadableItem";
  readonly kind: string;
  readonly id: string;
  /** Where the first thing is that cannot be read, and what is wrong with it; never what stands there. */
  readonly fault: string;

  constructor(kind: string, id: string, fault: string) {
    super(`${kind} ${id}: ${fault}`);
    this.kind = kind;
    this.id = id;
    this.fault = fault;
  }
}

/**
 * What must be true of an item for this version to read it, by its kind. Objects are loose: a field that only a
 * neighbouring version knows is kept. A union has the members this version knows; another makes the item unreadable.
 */
export function document<Kind extends string, Shape extends z.ZodRawShape>(kind: Kind, shape: Shape) {
  const v = z.number().refine(isKnownVersion, "is not a version this one knows");
  return z.looseObject({ id: z.string(), v, kind: z.literal(kind), ...shape });
}

/** The item as its kind's document has it, with whatever else is in it. @throws UnreadableItem */
export function readItem<Document extends z.ZodType>(
  { kind, document }: { readonly kind: string; readonly document: Document },
  id: string,
  item: unknown,
): z.infer<Document> {
  const parsed = document.safeParse(item);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  throw new UnreadableItem(
    kind,
    id,
    `${first?.path.join(".") || "item"}: ${first?.message ?? "is not known"}`,
  );
}
