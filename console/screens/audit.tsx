import { useRef, useState } from "preact/hooks";
import { queryOf } from "../api.ts";
import { saveAs } from "../download.ts";
import { useAction, useApi, useLive } from "../live.ts";
import { useFilter } from "../location.ts";
import { ChainVerdict } from "../parts/chain-verdict.tsx";
import { Choice } from "../parts/form.tsx";
import { Loaded, ProblemBox } from "../parts/loaded.tsx";
import { Seals } from "../parts/seals.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { HostileText, When, Word } from "../parts/text.tsx";
import { prettyJson } from "../rows/answer-text.ts";
import {
  aboutOf,
  asLines,
  type ControlPage,
  type ControlRecord,
  isPart,
  joined,
  SCOPES,
} from "../rows/control-trail.ts";
import { utc } from "../rows/words.ts";
import type { ScreenProps } from "../screen.ts";

const PAGE_RECORDS = 100;

/** What operators changed, whether its record holds, and what is sealed. */
export function AuditScreen({ place }: ScreenProps) {
  const [asked, setScope] = useFilter(place, "scope");
  const scope = Object.hasOwn(SCOPES, asked) ? asked : "switches";
  return (
    <>
      <section aria-labelledby="changes">
        <h2 id="changes">What operators changed</h2>
        <div class="fields">
          <Choice label="Of" value={scope} onValue={setScope} options={Object.keys(SCOPES)} words={SCOPES} />
        </div>
        <ControlTrail key={scope} scope={scope} />
      </section>
      <Seals />
      <Exports />
    </>
  );
}

function ControlTrail({ scope }: { readonly scope: string }) {
  const api = useApi();
  const path = (before?: number) => `/api/ops/audit${queryOf({ scope, limit: PAGE_RECORDS, before })}`;
  const live = useLive<ControlPage>(path());
  const [read, setRead] = useState<readonly ControlRecord[]>([]);
  // The same records are the same list: a chain is not checked anew for each look.
  const known = useRef(read);
  const next = joined(read, live.value ?? { data: [] });
  if (next.length !== known.current.length || next.at(-1)?.hash !== known.current.at(-1)?.hash)
    known.current = next;
  const records = known.current;
  const older = useAction(async () => {
    let all = records;
    while (isPart(all)) {
      const { value } = await api.get<ControlPage>(path(all[0]?.seq));
      if (value === undefined || value.data.length === 0) break;
      all = [...value.data.toReversed(), ...all];
      setRead(all);
    }
  });
  return (
    <Loaded live={live} isEmpty={() => records.length === 0} empty="Nothing of this was ever changed.">
      {() => (
        <>
          <ChainVerdict records={records} isPart={isPart(records)} />
          <p class="buttons">
            {isPart(records) && (
              <button type="button" class="small" disabled={older.isRunning} onClick={older.run}>
                {older.isRunning ? "Reading …" : "Read the older ones"}
              </button>
            )}
            <button
              type="button"
              class="small"
              onClick={() => saveAs(`audit-${scope}.jsonl`, new Blob([asLines(records)]))}
            >
              Download as JSON lines
            </button>
          </p>
          {older.problem && <ProblemBox problem={older.problem} />}
          <div class="scroll">
            <Table
              caption="Changes, newest first"
              columns={COLUMNS}
              rows={records.toReversed()}
              keyOf={({ seq }) => String(seq)}
            />
          </div>
        </>
      )}
    </Loaded>
  );
}

const COLUMNS: readonly Column<ControlRecord>[] = [
  { name: "#", isNumber: true, cell: ({ seq }) => seq },
  {
    name: "When",
    cell: ({ at }) => (
      <>
        {utc(at)}{" "}
        <span class="quiet">
          <When at={at} />
        </span>
      </>
    ),
  },
  { name: "What", cell: ({ event }) => event.replaceAll("_", " ") },
  { name: "Of", cell: (record) => <Word text={aboutOf(record)} /> },
  { name: "Who", cell: ({ actor }) => <Word text={actor} /> },
  { name: "Because", cell: ({ reason }) => (reason === null ? "–" : <Word text={reason} />) },
  { name: "Record", cell: (record) => <Whole record={record} /> },
];

function Whole({ record }: { readonly record: ControlRecord }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>All of it</summary>
      {isOpen && <HostileText text={prettyJson(record)} label={`Record ${record.seq}`} />}
    </details>
  );
}

const FILES = ["models", "tenants"] as const;

/** What is in force, as the files that would say the same. */
function Exports() {
  return (
    <section aria-labelledby="export">
      <h2 id="export">What is in force, as files</h2>
      <p class="quiet">
        With secrets as names of settings and keys as hashes: what was set here can become code. Switches are
        no part of it.
      </p>
      <p class="buttons">
        {FILES.map((file) => (
          <Export key={file} file={file} />
        ))}
      </p>
    </section>
  );
}

function Export({ file }: { readonly file: (typeof FILES)[number] }) {
  const api = useApi();
  const action = useAction(async () => {
    const answer = await api.fetch(`/api/ops/export${queryOf({ file })}`, {});
    saveAs(`${file}.json`, await answer.blob());
  });
  return (
    <>
      <button type="button" class="small" disabled={action.isRunning} onClick={action.run}>
        {action.isRunning ? "Loading …" : `Download ${file}.json`}
      </button>
      {action.problem && <ProblemBox problem={action.problem} />}
    </>
  );
}
