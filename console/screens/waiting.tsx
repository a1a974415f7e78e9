import { useCallback } from "preact/hooks";
import { queryOf } from "../api.ts";
import { useApi, useLive, usePolling } from "../live.ts";
import { Loaded } from "../parts/loaded.tsx";
import { type Column, Facts, Table } from "../parts/table.tsx";
import { When, Word } from "../parts/text.tsx";
import type { Job, List, OpsDeployment, Page } from "../resources.ts";
import { waitWords } from "../rows/job-list.ts";
import { linkTo } from "../rows/location.ts";
import {
  alarmsOf,
  type Backlog,
  type Lane,
  lanesOf,
  MAX_LINE_JOBS,
  oldestFirst,
  readLine,
  remedyOf,
  type Start,
  type Status,
  startOf,
} from "../rows/waiting-line.ts";
import { count, duration } from "../rows/words.ts";
import type { ScreenProps } from "../screen.ts";

const EVERY_LINE_MS = 5_000;

/** What waits, why, since when, and when it may begin. */
export function WaitingScreen({ session }: ScreenProps) {
  return session.kind === "operator" ? <WholeLine /> : <OwnLine />;
}

/** All queued jobs of a path, as far as is read. */
function useQueued(path: string) {
  const api = useApi();
  const read = useCallback(
    async (_: string | undefined, signal: AbortSignal) => ({
      value: await readLine(async (after, limit) => {
        const query = queryOf({ status: "queued", limit, after });
        const { value } = await api.get<Page<Job>>(path + query, undefined, signal);
        return value ?? { data: [], last_id: null, has_more: false };
      }),
      etag: undefined,
    }),
    [api, path],
  );
  return usePolling(read, EVERY_LINE_MS);
}

function WholeLine() {
  const status = useLive<Status>("/api/ops/status");
  const queued = useQueued("/api/ops/jobs");
  const deployments = useLive<List<OpsDeployment>>("/api/ops/deployments", EVERY_LINE_MS).value?.data;
  return (
    <>
      <Loaded live={status}>
        {(value) => (
          <>
            {alarmsOf(value).map((each) => (
              <p key={each} class="stale" role="status">
                <Word text={each} />
              </p>
            ))}
            <Facts
              facts={[
                ["Queued", count(value.backlog.queued)],
                ["Running", count(value.running)],
                ["Oldest wait", waitOf(value.backlog.oldest_wait_seconds)],
              ]}
            />
          </>
        )}
      </Loaded>
      <section aria-labelledby="lanes">
        <h2 id="lanes">Lanes</h2>
        <p class="quiet">
          Jobs of one tenant and priority that wait for the same go in the order they came; lanes take turns.
        </p>
        <Loaded live={queued} isEmpty={({ jobs }) => jobs.length === 0} empty="Nothing waits.">
          {({ jobs, hasMore }) => (
            <>
              {hasMore && <p class="quiet">Of the {MAX_LINE_JOBS} newest jobs that wait.</p>}
              <Table
                caption="Lanes, the longest wait first"
                columns={LANES}
                rows={lanesOf(jobs, deployments)}
                keyOf={({ key }) => key}
              />
            </>
          )}
        </Loaded>
      </section>
      {status.value && <ByModel backlog={status.value.backlog} />}
    </>
  );
}

const waitOf = (seconds: number | null) => (seconds === null ? "–" : duration(seconds));

const LANES: readonly Column<Lane>[] = [
  { name: "Tenant", cell: ({ tenant = "" }) => <Word text={tenant} /> },
  { name: "Priority", cell: ({ priority }) => priority },
  { name: "Model", cell: ({ model }) => <Word text={model} /> },
  { name: "Jobs", isNumber: true, cell: ({ jobs }) => count(jobs) },
  {
    name: "Waits",
    cell: (lane) => {
      const remedy = remedyOf(lane);
      return (
        <>
          {whyOf(lane)}
          {remedy && (
            <>
              {": "}
              <a href={remedy.href}>{remedy.words}</a>
            </>
          )}
        </>
      );
    },
  },
  { name: "Since", cell: ({ since }) => <When at={since} /> },
  { name: "Expected start", cell: ({ start }) => <Expected start={start} /> },
  { name: "First", cell: ({ first }) => <JobLink id={first} /> },
];

function whyOf({ reason, deployment }: Pick<Lane, "reason" | "deployment">) {
  if (reason === undefined) return "for a worker";
  const waiting = { reason, deployment, since: 0, until: null, ahead: null };
  return <Word text={waitWords({ waiting }) ?? ""} />;
}

const JobLink = ({ id }: { readonly id: string }) => <a href={linkTo(`jobs/${id}`)}>{id.slice(0, 12)}…</a>;

function Expected({ start }: { readonly start: Start }) {
  if (start.kind === "next") return <>next</>;
  if (start.kind === "at") return <When at={start.at} />;
  if (start.kind === "within") return <>all within {duration(start.seconds)}, at best</>;
  return <>not known</>;
}

function ByModel({ backlog }: { readonly backlog: Backlog }) {
  const { by_tenant_and_model: rows, exact, jobs_read } = backlog;
  if (rows.length === 0) return null;
  return (
    <section aria-labelledby="by-model">
      <h2 id="by-model">By tenant and model</h2>
      {!exact && <p class="quiet">Of the {count(jobs_read)} jobs that are looked at first.</p>}
      <Table
        caption="Live jobs by tenant and model, the longest wait first"
        rows={rows}
        keyOf={({ tenant_id, model }) => `${tenant_id}/${model}`}
        columns={[
          { name: "Tenant", cell: ({ tenant_id }) => <Word text={tenant_id} /> },
          { name: "Model", cell: ({ model }) => <Word text={model} /> },
          { name: "Waiting", isNumber: true, cell: ({ waiting }) => count(waiting) },
          { name: "Scheduled", isNumber: true, cell: ({ scheduled }) => count(scheduled) },
          { name: "Running", isNumber: true, cell: ({ running }) => count(running) },
          {
            name: "Oldest wait",
            isNumber: true,
            cell: ({ oldest_wait_seconds }) => waitOf(oldest_wait_seconds),
          },
        ]}
      />
    </section>
  );
}

/** Of how many jobs the place is asked for: each is one more read. */
const PLACES = 10;
const SHOWN_JOBS = 100;

/** A tenant's own jobs that wait, each with its place. */
function OwnLine() {
  const queued = useQueued("/api/jobs");
  return (
    <Loaded live={queued} isEmpty={({ jobs }) => jobs.length === 0} empty="None of your jobs waits.">
      {({ jobs, hasMore }) => (
        <>
          <p role="status">
            {count(jobs.length)}
            {hasMore ? " or more" : ""} {jobs.length === 1 ? "job waits" : "jobs wait"}
            {jobs.length > SHOWN_JOBS && `; the ${SHOWN_JOBS} that wait longest are shown`}.
          </p>
          <Table
            caption="Your jobs that wait, the longest first"
            columns={OWN}
            rows={oldestFirst(jobs)
              .slice(0, SHOWN_JOBS)
              .map((job, at) => ({ job, isAsked: at < PLACES }))}
            keyOf={({ job }) => job.id}
          />
        </>
      )}
    </Loaded>
  );
}

interface OwnRow {
  readonly job: Job;
  /** Whether its place is asked for. */
  readonly isAsked: boolean;
}

const OWN: readonly Column<OwnRow>[] = [
  { name: "Job", cell: ({ job }) => <JobLink id={job.id} /> },
  { name: "Model", cell: ({ job }) => <Word text={job.model} /> },
  { name: "Priority", cell: ({ job }) => job.priority },
  {
    name: "Waits",
    cell: ({ job: { waiting } }) =>
      whyOf({ reason: waiting?.reason, deployment: waiting?.deployment ?? null }),
  },
  { name: "Since", cell: ({ job }) => <When at={job.waiting?.since ?? job.created_at} /> },
  { name: "Place and expected start", cell: (row) => <Place {...row} /> },
];

/** A list does not say a job's place in the line: the job itself does. */
function Place({ job, isAsked }: OwnRow) {
  const isInLine = isAsked && job.waiting?.reason === "quota";
  const own = useLive<Job>(isInLine ? `/api/jobs/${job.id}` : undefined, EVERY_LINE_MS).value;
  const { ahead = null } = own?.waiting ?? {};
  return (
    <>
      {ahead !== null && `${count(ahead)} of yours before it; `}
      <Expected start={startOf(own ?? job)} />
    </>
  );
}
