import { useMemo } from "preact/hooks";
import { useLive } from "../live.ts";
import { overdueSince, type Seal, sealDay } from "../rows/seals.ts";
import { count, utc } from "../rows/words.ts";
import { ChainVerdict } from "./chain-verdict.tsx";
import { Loaded } from "./loaded.tsx";
import { Table } from "./table.tsx";
import { When } from "./text.tsx";

/** A day has one, or a few. */
const EVERY_SEALS_MS = 60_000;

interface SealPage {
  /** Newest first. */
  readonly data: readonly Seal[];
}

/** The latest seals: up to when every trail is held to what it was. */
export function Seals() {
  const live = useLive<SealPage>("/api/ops/seals?limit=30", EVERY_SEALS_MS);
  return (
    <section aria-labelledby="seals">
      <h2 id="seals">Seals</h2>
      <Loaded
        live={live}
        isEmpty={({ data }) => data.length === 0}
        empty="Nothing is sealed yet: a day is sealed once it is over."
      >
        {({ data }) => <SealList seals={data} />}
      </Loaded>
      <p class="quiet">
        Whether the trails still are as they were sealed, <code>npm run audit:verify</code> finds out.
      </p>
    </section>
  );
}

function SealList({ seals }: { readonly seals: readonly Seal[] }) {
  const chain = useMemo(() => seals.toReversed(), [seals]);
  const overdue = overdueSince(seals[0], Date.now() / 1000);
  return (
    <>
      {overdue !== undefined && (
        <p class="stale" role="status">
          The next seal should have been there <When at={overdue} />: look whether the timer “seal” runs.
        </p>
      )}
      <ChainVerdict records={chain} isPart={(chain[0]?.n ?? 1) > 1} />
      <div class="scroll">
        <Table
          caption="Seals, newest first"
          rows={seals}
          keyOf={({ n }) => String(n)}
          columns={[
            { name: "#", isNumber: true, cell: ({ n }) => n },
            { name: "Day", cell: sealDay },
            { name: "Sealed", cell: ({ sealed_at }) => utc(sealed_at) },
            { name: "Trails", isNumber: true, cell: ({ leaves }) => count(leaves) },
            { name: "Root", cell: ({ root }) => <code title={root}>{root.slice(0, 16)}…</code> },
            { name: "Hash", cell: ({ hash }) => <code title={hash}>{hash.slice(0, 16)}…</code> },
          ]}
        />
      </div>
    </>
  );
}
