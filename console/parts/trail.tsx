import { useEffect } from "preact/hooks";
import { useLive } from "../live.ts";
import type { List } from "../resources.ts";
import { callsOf, pauseBefore, spansOf, type TrailRecord } from "../rows/trail.ts";
import { duration, money, utc } from "../rows/words.ts";
import { ChainVerdict } from "./chain-verdict.tsx";
import { Loaded } from "./loaded.tsx";
import { type Column, Table } from "./table.tsx";
import { Word } from "./text.tsx";

interface TrailProps {
  readonly path: string;
  readonly isOver: boolean;
  /** Calls that the job itself tells of. */
  readonly calls: number;
  /** Called where the history tells of more: the job was read before it. */
  readonly onAhead: () => void;
}

/** A job's history: a bar of its calls and waits, its records, and whether their chain holds. */
export function Trail({ path, isOver, calls, onAhead }: TrailProps) {
  const live = useLive<List<TrailRecord>>(path, isOver ? 0 : undefined);
  const { value } = live;
  useEffect(() => {
    if (value !== undefined && callsOf(value.data) > calls) onAhead();
  }, [value]);
  return (
    <section aria-labelledby="history">
      <h2 id="history">History</h2>
      <Loaded live={live}>
        {({ data }) => (
          <>
            <Bar records={data} />
            <ChainVerdict records={data} />
            <div class="scroll">
              <Table
                caption="What happened, the first first"
                columns={COLUMNS}
                rows={data.map((record, at) => ({ record, pause: pauseBefore(data, at) }))}
                keyOf={({ record }) => String(record.seq)}
              />
            </div>
          </>
        )}
      </Loaded>
    </section>
  );
}

function Bar({ records }: { readonly records: readonly TrailRecord[] }) {
  const spans = spansOf(records, Date.now() / 1000);
  return (
    <ol class="spans" aria-label="Calls and waits">
      {spans.map(({ kind, label, seconds, share, isCompressed }, at) => (
        <li key={at} class={`span span-${kind}`} style={{ flexGrow: share }} title={label}>
          <Word text={kind === "call" ? label : `waits: ${label}`} />{" "}
          <span class="nowrap">
            {duration(seconds)}
            {isCompressed && " (drawn shorter)"}
          </span>
        </li>
      ))}
    </ol>
  );
}

interface Row {
  readonly record: TrailRecord;
  readonly pause: number | undefined;
}

const COLUMNS: readonly Column<Row>[] = [
  { name: "#", isNumber: true, cell: ({ record }) => record.seq },
  {
    name: "When",
    cell: ({ record, pause }) => (
      <>
        {utc(record.at)}
        {pause !== undefined && <span class="quiet"> after {duration(pause)}</span>}
      </>
    ),
  },
  { name: "What", cell: ({ record }) => record.event.replaceAll("_", " ") },
  { name: "Deployment", cell: ({ record }) => record.deployment ?? "–" },
  { name: "Outcome", cell: ({ record }) => record.outcome?.replaceAll("_", " ") ?? "–" },
  {
    name: "Why",
    cell: ({ record: { reason, message } }) => (
      <>
        {reason && <Word text={reason} />} {message && <Word text={message} />}
      </>
    ),
  },
  {
    name: "Took",
    isNumber: true,
    cell: ({ record }) => (record.latency_ms === null ? "–" : duration(record.latency_ms / 1000)),
  },
  { name: "Cost", isNumber: true, cell: ({ record }) => money(record.cost, record.cost_unknown) },
  { name: "Who", cell: ({ record }) => <Word text={record.actor} /> },
];
