import { useCallback, useMemo, useRef, useState } from "preact/hooks";
import { ApiProblem, queryOf } from "../api.ts";
import { EVERY_MS, useApi, useLive, usePolling } from "../live.ts";
import { useFilter } from "../location.ts";
import { CancelMatching, CancelSelected } from "../parts/cancel-jobs.tsx";
import { Choice, Field } from "../parts/form.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { LongTable } from "../parts/long-table.tsx";
import type { Column } from "../parts/table.tsx";
import { State, When, Word } from "../parts/text.tsx";
import { hasEnded, type Job, type List, type Model, type Page, STATUSES } from "../resources.ts";
import { AGES, cancelBody, listParameters } from "../rows/job-filter.ts";
import { type JobList, NO_JOBS, refreshed, tookWords, waitWords } from "../rows/job-list.ts";
import { linkTo } from "../rows/location.ts";
import { money } from "../rows/words.ts";
import type { ScreenProps } from "../screen.ts";

const PAGE_JOBS = 100;

/** The path of a visitor's jobs. */
const jobsPath = (isOperator: boolean) => (isOperator ? "/api/ops/jobs" : "/api/jobs");

const noneOf = (of: string) => ({ of, list: NO_JOBS, page: "" });

/** The jobs of a filter, kept up to date where one looks. */
function useJobs(path: string, filter: Readonly<Record<string, string | undefined>>) {
  const api = useApi();
  const query = queryOf(filter);
  const known = useRef(noneOf(query));
  if (known.current.of !== query) known.current = noneOf(query);
  const firstInView = useRef(0);
  const read = useCallback(
    async (etag: string | undefined, signal: AbortSignal) => {
      const { list, page: before } = known.current;
      const after = list.jobs[Math.min(firstInView.current, list.jobs.length) - 1]?.id;
      const asked = Object.fromEntries(new URLSearchParams(query));
      const page = `${path}${queryOf({ ...asked, limit: PAGE_JOBS, after })}`;
      try {
        // The ETag is that of the page that was read last.
        const got = await api.get<Page<Job>>(page, page === before ? etag : undefined, signal);
        const next = got.value === undefined ? list : refreshed(list, got.value, after);
        known.current = { of: query, list: next, page };
        return { value: next, etag: got.etag };
      } catch (thrown) {
        // The job that the page follows may have gone.
        if (after === undefined || !(thrown instanceof ApiProblem) || thrown.status !== 400) throw thrown;
        firstInView.current = 0;
        known.current = noneOf(query);
        return { value: NO_JOBS, etag: undefined };
      }
    },
    [api, path, query],
  );
  const live = usePolling<JobList>(read, EVERY_MS);
  const { again } = live;
  /** Says which rows are in view; those are read next, and at once if there are none yet. */
  const onView = useCallback(
    (from: number, to: number) => {
      const { jobs, hasMore } = known.current.list;
      const isAtEnd = hasMore && to >= jobs.length && jobs.length > 0;
      firstInView.current = isAtEnd ? jobs.length : from;
      if (isAtEnd) again();
    },
    [again],
  );
  return { live, onView };
}

export function JobsScreen({ place, session }: ScreenProps) {
  const isOperator = session.kind === "operator";
  const [status, setStatus] = useFilter(place, "status");
  const [model, setModel] = useFilter(place, "model");
  const [tenant, setTenant] = useFilter(place, "tenant");
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [batch, setBatch] = useFilter(place, "batch");
  const [metadata, setMetadata] = useFilter(place, "metadata");
  const [made, setMade] = useFilter(place, "made");
  const filter = { status, model, tenant, batch, metadata, made };
  const chosenAt = useMemo(() => Date.now() / 1000, [made]);
  const path = jobsPath(isOperator);
  const { live, onView } = useJobs(path, listParameters(filter, isOperator, chosenAt));
  const select = (id: string) => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    setSelected(next);
  };
  const isFiltered = Object.values(filter).some((each) => each !== "");
  return (
    <>
      <div class="fields">
        <Choice label="Status" value={status} onValue={setStatus} options={STATUSES} any="Any" />
        {isOperator ? (
          <>
            <Field label="Model" type="search" value={model} onValue={setModel} />
            <Field label="Tenant" type="search" value={tenant} onValue={setTenant} />
          </>
        ) : (
          <>
            <ModelChoice value={model} onValue={setModel} />
            <Choice label="Made" value={made} onValue={setMade} options={Object.keys(AGES)} any="Any time" />
            <Field label="Metadata" type="search" value={metadata} onValue={setMetadata} hint="name=value" />
            <Field label="Batch or group" type="search" value={batch} onValue={setBatch} />
          </>
        )}
      </div>
      <Loaded
        live={live}
        isEmpty={({ jobs, hasMore }) => jobs.length === 0 && !hasMore}
        empty={isFiltered ? "No job is like that." : "There are no jobs yet."}
      >
        {({ jobs, hasMore }) => (
          <>
            <p class="bar">
              <span role="status">
                {jobs.length}
                {hasMore ? " or more" : ""} {jobs.length === 1 ? "job" : "jobs"}
              </span>
              <span class="buttons">
                <CancelSelected
                  jobs={jobs.filter(({ id }) => selected.has(id))}
                  path={path}
                  onDone={() => {
                    setSelected(new Set());
                    live.again();
                  }}
                />
                <CancelMatching
                  body={cancelBody(filter, isOperator, chosenAt)}
                  isOperator={isOperator}
                  onDone={live.again}
                />
              </span>
            </p>
            <LongTable
              caption="Jobs, newest first"
              columns={columnsFor(isOperator, selected, select)}
              rows={jobs}
              keyOf={({ id }) => id}
              onView={onView}
            />
          </>
        )}
      </Loaded>
    </>
  );
}

function ModelChoice(props: { readonly value: string; readonly onValue: (value: string) => void }) {
  const models = useLive<List<Model>>("/api/models", 0);
  const names = (models.value?.data ?? []).map(({ id }) => id);
  const options = props.value === "" || names.includes(props.value) ? names : [...names, props.value];
  return <Choice label="Model" {...props} options={options} any="Any" />;
}

function columnsFor(
  isOperator: boolean,
  selected: ReadonlySet<string>,
  select: (id: string) => void,
): readonly Column<Job>[] {
  const own: Column<Job> = {
    name: "Metadata",
    cell: ({ metadata = {} }) =>
      Object.entries(metadata).map(([name, value]) => (
        <span key={name} class="tag" title={`${name}: ${value}`}>
          <Word text={`${name}: ${value}`} />
        </span>
      )),
  };
  const whose: Column<Job> = { name: "Tenant", cell: ({ tenant_id = "" }) => tenant_id };
  return [
    {
      name: "Select",
      cell: ({ id }) => (
        <input
          type="checkbox"
          aria-label={`Select ${id}`}
          checked={selected.has(id)}
          onChange={() => select(id)}
        />
      ),
    },
    { name: "Job", cell: ({ id }) => <a href={linkTo(`jobs/${id}`)}>{id.slice(0, 12)}…</a> },
    {
      name: "Status",
      cell: (job) => (
        <>
          <State state={job.status} />
          {job.waiting && <span class="quiet"> {waitWords(job)}</span>}
          {job.error && <span class="quiet"> {job.error.code}</span>}
        </>
      ),
    },
    isOperator ? whose : own,
    { name: "Model", cell: ({ model }) => <Word text={model} /> },
    { name: "Priority", cell: ({ priority }) => priority },
    { name: "Accepted", cell: ({ created_at }) => <When at={created_at} /> },
    {
      name: "Took",
      isNumber: true,
      cell: (job) => (hasEnded(job.status) ? tookWords(job) : "–"),
    },
    { name: "Cost", isNumber: true, cell: ({ cost, cost_unknown }) => money(cost, cost_unknown) },
  ];
}
