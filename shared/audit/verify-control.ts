import { headFault, linkFault } from "./chain.ts";
import {
  type ChainHead,
  type ControlRecord,
  type ControlScope,
  controlItemHash,
  controlRecordHash,
  EMPTY_CHAIN,
} from "./control-record.ts";
import { type Counts, report, type StoredRecord, type TrailReader, type VerifyDeps } from "./verify.ts";

/** Walks one of control's chains, and holds the items that its changes wrote against it. */
export async function verifyControl(deps: VerifyDeps, counts: Counts, scope: ControlScope): Promise<void> {
  const { trails } = deps;
  const chain = `control/${scope}`;
  // Read before the records: what is appended meanwhile comes after it, and is checked as a link.
  const head = (await trails.controlHead(scope)) ?? EMPTY_CHAIN;
  const walk = new ControlWalk(scope, head);
  for await (const page of trails.controlRecords(scope)) {
    for (const stored of page) {
      const why = walk.fault(stored);
      if (why !== undefined) return report(deps, counts, { chain, seq: walk.end.seq + 1, why });
      counts.control_records++;
    }
    deps.progress(counts);
  }
  const wrong = await wrongItems(trails, scope, walk);
  const last = (await trails.controlHead(scope)) ?? EMPTY_CHAIN;
  const fault = walk.headMet && walk.end.seq <= last.seq ? undefined : headFault(walk.end, head);
  if (fault !== undefined) return report(deps, counts, { chain, ...fault });
  // What an operator has changed while the items were read is for the next run.
  if (last.seq === walk.end.seq) for (const each of wrong) report(deps, counts, { chain, ...each });
}

class ControlWalk {
  readonly #scope: ControlScope;
  readonly #head: ChainHead;
  end: ChainHead = EMPTY_CHAIN;
  headMet: boolean;
  /** Items as the last change of each left them. */
  readonly items = new Map<string, { readonly seq: number; readonly hash: string | null }>();

  constructor(scope: ControlScope, head: ChainHead) {
    this.#scope = scope;
    this.#head = head;
    this.headMet = head.seq === 0;
  }

  /** What is wrong with a record as the next one; undefined: it is taken. */
  fault({ record, storedAs }: StoredRecord<ControlRecord>): string | undefined {
    if (storedAs !== record.seq) return `record ${record.seq} is stored in another's place`;
    if (record.scope !== this.#scope) return "it is another chain's record";
    const { hash, ...fields } = record;
    const why = linkFault(this.end, record, controlRecordHash(fields));
    if (why !== undefined) return why;
    this.end = { seq: record.seq, hash };
    if (record.seq === this.#head.seq) this.headMet = hash === this.#head.hash;
    // A change by a host of the version before does not say what it left.
    if (record.items === undefined) this.items.clear();
    for (const [id, left] of Object.entries(record.items ?? {}))
      this.items.set(id, { seq: record.seq, hash: left });
    return undefined;
  }
}

/** What instances act on; each is there only since a change of its scope. */
const ITEM_OF: Partial<Record<ControlScope, string>> = { switches: "overrides", secrets: "root" };

async function wrongItems(
  trails: TrailReader,
  scope: ControlScope,
  { end, items }: ControlWalk,
): Promise<{ seq: number; why: string }[]> {
  const wrong: { seq: number; why: string }[] = [];
  const own = ITEM_OF[scope];
  if (end.seq === 0 && own !== undefined && (await trails.controlItem(scope, own)) !== undefined)
    wrong.push({ seq: 1, why: `no record says who made ${own}` });
  for (const [id, { seq, hash }] of items) {
    const item = await trails.controlItem(scope, id);
    const found = item === undefined ? null : controlItemHash(item);
    // Letters lapse by themselves.
    if (found === hash || (found === null && scope === "dead_letters")) continue;
    wrong.push({ seq, why: `${id} is not as this change left it` });
  }
  return wrong;
}
