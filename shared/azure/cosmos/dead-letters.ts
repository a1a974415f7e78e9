import type { z } from "zod";
import type { DeadLetter, DeadLetterFilter, DeadLetters, Nudge } from "../../job/ports.ts";
import { DEAD_LETTERS_SCOPE, deadLetterPlace, ITEMS } from "./items.ts";
import type { StoredItems } from "./stored-items.ts";

const WHERE = { partition: DEAD_LETTERS_SCOPE };

/** Dead letters in the `control` container, in one logical partition. */
export class CosmosDeadLetters implements DeadLetters {
  readonly #control: StoredItems;

  constructor(control: StoredItems) {
    this.#control = control;
  }

  async keep(letter: DeadLetter): Promise<boolean> {
    const place = deadLetterPlace(letter.id);
    // Superseded: it was kept before, and an operator may have made something of it since.
    const { nudge, ...rest } = letter;
    const said = letter.queue === undefined ? { nudge } : { nudge: null, message: nudge };
    const { kind } = await this.#control.write(ITEMS.dead_letter, place, { ...rest, ...said }, undefined);
    return kind === "written";
  }

  async read(id: string): Promise<DeadLetter | undefined> {
    const found = await this.#control.read(ITEMS.dead_letter, deadLetterPlace(id));
    return found === undefined ? undefined : letterOf(found.value);
  }

  async list(filter: DeadLetterFilter): Promise<{ letters: readonly DeadLetter[]; hasMore: boolean }> {
    // One more than asked for tells whether there are more.
    const query = {
      ...{ top: filter.limit + 1, ...conditionsOf(filter) },
      orderBy: "c.at_ms DESC, c.id DESC",
    };
    const found = await this.#control.find(ITEMS.dead_letter, query, ITEMS.dead_letter.document, WHERE);
    const letters = found.map(letterOf);
    return { letters: letters.slice(0, filter.limit), hasMore: letters.length > filter.limit };
  }

  matching(filter: Omit<DeadLetterFilter, "limit">): Promise<number> {
    return this.#control.count(ITEMS.dead_letter, conditionsOf(filter), WHERE);
  }

  async count(): Promise<{ kept: number; untouched: number; newestAtMs: number | null }> {
    const newestFirst = { top: 1, select: "c.id, c.at_ms", where: "c.at_ms >= 0", orderBy: "c.at_ms DESC" };
    const [kept, touched, [newest]] = await Promise.all([
      this.#control.count(ITEMS.dead_letter, {}, WHERE),
      this.#control.count(
        ITEMS.dead_letter,
        { where: "IS_DEFINED(c.redriven) OR IS_DEFINED(c.dismissed)" },
        WHERE,
      ),
      this.#control.find(
        ITEMS.dead_letter,
        newestFirst,
        ITEMS.dead_letter.document.pick({ at_ms: true }),
        WHERE,
      ),
    ]);
    return { kept, untouched: kept - touched, newestAtMs: newest?.at_ms ?? null };
  }
}

function conditionsOf({ after, ...filter }: Omit<DeadLetterFilter, "limit">) {
  const conditions = ["c.at_ms >= 0"];
  const parameters: Record<`@${string}`, string | number> = {};
  const compared = [
    ["(c.nudge.tenant_id = @tenant OR c.message.tenant_id = @tenant)", "@tenant", filter.tenantId],
    ["(c.nudge.job_id = @job OR c.message.job_id = @job)", "@job", filter.jobId],
    ["c.reason = @reason", "@reason", filter.reason],
    ["c.at_ms < @before", "@before", filter.beforeMs],
  ] as const;
  for (const [condition, name, value] of compared) {
    if (value === undefined) continue;
    conditions.push(condition);
    parameters[name] = value;
  }
  for (const mark of ["redriven", "dismissed"] as const) {
    if (filter[mark] !== undefined) conditions.push(`${filter[mark] ? "" : "NOT "}IS_DEFINED(c.${mark})`);
  }
  if (after !== undefined) {
    conditions.push("(c.at_ms < @at OR (c.at_ms = @at AND c.id < @id))");
    parameters["@at"] = after.at_ms;
    parameters["@id"] = after.id;
  }
  return { where: conditions.join(" AND "), parameters };
}

/** The letter without what the store adds to an item. */
function letterOf(item: z.infer<typeof ITEMS.dead_letter.document>): DeadLetter {
  const { id, message_id, queue, reason, description, at_ms, redriven, dismissed } = item;
  const nudge = (item.message ?? item.nudge) as Nudge | null;
  return {
    ...{ id, message_id, nudge, reason, description, at_ms },
    ...(queue && { queue }),
    ...(redriven && { redriven }),
    ...(dismissed && { dismissed }),
  };
}
