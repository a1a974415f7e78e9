import { useEffect, useId, useState } from "preact/hooks";
import { saveAs } from "../download.ts";
import { EVERY_MS, useAction, useApi, useLive } from "../live.ts";
import { goTo } from "../location.ts";
import { Asked, Field, Form } from "../parts/form.tsx";
import { Loaded, ProblemBox } from "../parts/loaded.tsx";
import { Facts, Table } from "../parts/table.tsx";
import { State, When, Word } from "../parts/text.tsx";
import type { Batch, Page } from "../resources.ts";
import { endpointOf, hasBatchEnded, progressOf } from "../rows/batch-progress.ts";
import { linkTo } from "../rows/location.ts";
import { bytes, count, duration, money } from "../rows/words.ts";
import type { ScreenProps } from "../screen.ts";

const DOOR = "/openai/v1";

export function BatchesScreen() {
  const live = useLive<Page<Batch>>(`${DOOR}/batches?limit=50`);
  return (
    <>
      <Upload />
      <h2>Batches</h2>
      <Loaded live={live} isEmpty={({ data }) => data.length === 0} empty="There are no batches yet.">
        {({ data }) => (
          <Table
            caption="Batches, newest first"
            rows={data}
            keyOf={({ id }) => id}
            columns={[
              { name: "Batch", cell: ({ id }) => <a href={linkTo(`batches/${id}`)}>{id.slice(0, 14)}…</a> },
              { name: "Status", cell: ({ status }) => <State state={status} /> },
              { name: "Progress", cell: (batch) => <Bar batch={batch} /> },
              { name: "Endpoint", cell: ({ endpoint }) => endpoint },
              { name: "Made", cell: ({ created_at }) => <When at={created_at} /> },
              { name: "Window", cell: ({ completion_window }) => completion_window },
            ]}
          />
        )}
      </Loaded>
    </>
  );
}

function Bar({ batch }: { readonly batch: Batch }) {
  const { total, completed, failed, secondsLeft } = progressOf(batch, Date.now() / 1000);
  return (
    <span class="bar-of">
      <progress max={Math.max(1, total)} value={completed + failed} aria-label="Lines that have ended" />
      <span>
        {count(completed)} done, {count(failed)} failed of {count(total)}
        {secondsLeft !== undefined && <span class="quiet"> · about {duration(secondsLeft)} left</span>}
      </span>
    </span>
  );
}

/** A file of requests, dropped or chosen, and how long its lines may take. */
function Upload() {
  const api = useApi();
  const [file, setFile] = useState<File | undefined>(undefined);
  const [window, setWindow] = useState("24h");
  const [isOver, setIsOver] = useState(false);
  const id = useId();
  const action = useAction(async () => {
    if (file === undefined) return;
    const endpoint = endpointOf(await file.slice(0, 4096).text()) ?? "/v1/chat/completions";
    const form = new FormData();
    form.append("purpose", "batch");
    form.append("file", file, file.name);
    const stored = await api.send<{ id: string }>("POST", `${DOOR}/files`, form);
    const batch = await api.send<Batch>("POST", `${DOOR}/batches`, {
      ...{ input_file_id: stored.id, endpoint, completion_window: window },
    });
    goTo(linkTo(`batches/${batch.id}`));
  });
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setIsOver(false);
    setFile(event.dataTransfer?.files[0]);
  };
  return (
    <Form action={action} submit="Upload and begin" isDisabled={file === undefined}>
      <fieldset
        class={isOver ? "drop over" : "drop"}
        onDragOver={(event) => {
          event.preventDefault();
          setIsOver(true);
        }}
        onDragLeave={() => setIsOver(false)}
        onDrop={drop}
      >
        <label for={id}>Drop a file of requests here, one JSON object a line, or choose one</label>
        <input
          id={id}
          type="file"
          accept=".jsonl,.ndjson,application/jsonl"
          onChange={(event) => setFile(event.currentTarget.files?.[0])}
        />
        {file && (
          <p role="status">
            <Word text={file.name} />, {bytes(file.size)}
          </p>
        )}
      </fieldset>
      <Field label="Completion window" value={window} onValue={setWindow} hint="30m, 24h or 7d, say" />
    </Form>
  );
}

export function BatchScreen({ values: { id = "" } }: ScreenProps) {
  const [isOver, setIsOver] = useState(false);
  const live = useLive<Batch>(`/api/batches/${encodeURIComponent(id)}`, isOver ? 0 : EVERY_MS);
  const ended = live.value?.ended === true;
  useEffect(() => setIsOver(ended), [ended]);
  return (
    <Loaded live={live}>
      {(batch) => (
        <>
          <p>
            <code>{batch.id}</code> <State state={batch.status} />
          </p>
          <Bar batch={batch} />
          <BatchButtons batch={batch} onDone={live.again} />
          <Facts
            facts={[
              ["Endpoint", batch.endpoint],
              ["Made", <When at={batch.created_at} />],
              ["Window", batch.completion_window],
              ["Lines end by", hasBatchEnded(batch) ? null : <When at={batch.expires_at} />],
              ["Completed", batch.completed_at && <When at={batch.completed_at} />],
              ["Cost", (batch.costs ?? []).map((cost) => money(cost)).join(" + ") || "–"],
              ["Lines whose cost is not known", batch.unknown_cost_lines || null],
            ]}
          />
          {batch.errors && (
            <div class="problem">
              <strong>The input was refused.</strong>
              <ul>
                {batch.errors.data.map(({ code, message, line }) => (
                  <li key={`${code}${line}`}>
                    {line !== null && `Line ${line}: `}
                    <Word text={message} /> <code>{code}</code>
                  </li>
                ))}
              </ul>
            </div>
          )}
        </>
      )}
    </Loaded>
  );
}

function BatchButtons({ batch, onDone }: { readonly batch: Batch; readonly onDone: () => void }) {
  const api = useApi();
  const cancel = useAction(async () => {
    await api.send("POST", `${DOOR}/batches/${batch.id}/cancel`);
    onDone();
  });
  const retry = useAction(async () => {
    const { id } = await api.send<Batch>("POST", `/api/batches/${batch.id}/retry-failed`);
    goTo(linkTo(`batches/${id}`));
  });
  return (
    <div class="buttons">
      <a href={linkTo("jobs", { batch: batch.id })}>Its lines as jobs</a>
      {!hasBatchEnded(batch) && (
        <Download
          path={`/api/batches/${batch.id}/results`}
          name={`${batch.id}-so-far.jsonl`}
          label="Download what there is"
        />
      )}
      {hasBatchEnded(batch) && batch.request_counts.failed > 0 && (
        <Asked
          label="Retry failed lines …"
          question="Make a new batch of the lines that failed?"
          submit="Make it"
          action={retry}
        />
      )}
      <Download
        path={contentOf(batch.output_file_id)}
        name={`${batch.id}-results.jsonl`}
        label="Download results"
      />
      <Download
        path={contentOf(batch.error_file_id)}
        name={`${batch.id}-errors.jsonl`}
        label="Download errors"
      />
      {!hasBatchEnded(batch) && (
        <Asked
          label="Cancel"
          question="Cancel this batch? Lines that have ended stay."
          submit="Cancel it"
          action={cancel}
        />
      )}
    </div>
  );
}

const contentOf = (id: string | null) => (id === null ? undefined : `${DOOR}/files/${id}/content`);

interface DownloadProps {
  /** Undefined: there is no such file. */
  readonly path: string | undefined;
  readonly name: string;
  readonly label: string;
}

function Download({ path, name, label }: DownloadProps) {
  const api = useApi();
  const action = useAction(async () => {
    if (path === undefined) return;
    const answer = await api.fetch(path, {});
    saveAs(name, await answer.blob());
  });
  if (path === undefined) return null;
  return (
    <>
      <button type="button" class="small" disabled={action.isRunning} onClick={action.run}>
        {action.isRunning ? "Loading …" : label}
      </button>
      {action.problem && <ProblemBox problem={action.problem} />}
    </>
  );
}
