import { useEffect, useState } from "preact/hooks";
import { ADVICE } from "../advice.js";
import { EVERY_MS, useAction, useApi, useLive } from "../live.ts";
import { goTo } from "../location.ts";
import { Asked } from "../parts/form.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Request } from "../parts/request.tsx";
import { Facts } from "../parts/table.tsx";
import { HostileText, State, When, Word } from "../parts/text.tsx";
import { Trail } from "../parts/trail.tsx";
import { hasEnded, type Job } from "../resources.ts";
import { answerText, prettyJson } from "../rows/answer-text.ts";
import { tookWords, waitWords } from "../rows/job-list.ts";
import { linkTo } from "../rows/location.ts";
import { adviceWords } from "../rows/problem-words.ts";
import { count, money } from "../rows/words.ts";
import type { ScreenProps } from "../screen.ts";

export function JobScreen({ values: { id = "" }, session }: ScreenProps) {
  const isOperator = session.kind === "operator";
  const path = `${isOperator ? "/api/ops/jobs" : "/api/jobs"}/${encodeURIComponent(id)}`;
  const [isOver, setIsOver] = useState(false);
  const live = useLive<Job>(path, isOver ? 0 : EVERY_MS);
  const status = live.value?.status;
  useEffect(() => setIsOver(status !== undefined && hasEnded(status)), [status]);
  return (
    <Loaded live={live}>
      {(job) => (
        <>
          <JobFacts job={job} />
          <JobButtons job={job} path={path} isOperator={isOperator} onDone={live.again} />
          {job.error && <JobError error={job.error} />}
          {isOperator ? (
            <p class="quiet">What was asked and answered is its tenant's, and so is its history.</p>
          ) : (
            <>
              <Answer job={job} />
              <Trail
                path={`${path}/audit`}
                isOver={hasEnded(job.status)}
                calls={job.attempts}
                onAhead={live.again}
              />
              <Request path={`${path}/request`} />
            </>
          )}
        </>
      )}
    </Loaded>
  );
}

function JobFacts({ job }: { readonly job: Job }) {
  const { waiting, usage } = job;
  const ended = hasEnded(job.status);
  return (
    <>
      <p>
        <code>{job.id}</code> <State state={job.status} />
        {job.simulated && <strong> · simulated</strong>}
      </p>
      {waiting && (
        <p class="stale" role="status">
          Began to wait <When at={waiting.since} />: <Word text={waitWords(job) ?? ""} />.
          {waiting.ahead !== null && ` ${waiting.ahead} of your jobs are before it.`}
          {waiting.until !== null && (
            <>
              {" "}
              Looked at again <When at={waiting.until} />.
            </>
          )}
        </p>
      )}
      <Facts
        facts={[
          ["Tenant", job.tenant_id],
          ["Model", <Word text={job.model} />],
          ["Deployment", job.deployment && <Word text={`${job.deployment} (${job.provider})`} />],
          ["Endpoint", job.endpoint],
          ["Priority", job.priority],
          ["Accepted", <When at={job.created_at} />],
          ["Not before", job.not_before && <When at={job.not_before} />],
          ["Started", job.started_at && <When at={job.started_at} />],
          ["Ended", job.completed_at && <When at={job.completed_at} />],
          ["Took", ended ? tookWords(job) : null],
          ["Deadline", ended ? null : <When at={job.deadline} />],
          ["Calls", count(job.attempts)],
          ["Tokens in", usage && count(usage.input_tokens)],
          ["Tokens out", usage && count(usage.output_tokens)],
          ["Cost", money(job.cost, job.cost_unknown)],
          ["Cost is not known", job.cost_unknown],
          ["Not whole", job.incomplete],
          ["JSON schema", job.validation],
          ["Redriven from", job.redriven_from && <JobLink id={job.redriven_from} />],
          ["Redriven to", job.redriven_to && <JobLink id={job.redriven_to} />],
          ["Content deleted", job.content_deleted_at && <When at={job.content_deleted_at} />],
          ...Object.entries(job.metadata ?? {}).map(
            ([name, value]) => [name, <Word key={name} text={value} />] as const,
          ),
        ]}
      />
    </>
  );
}

const JobLink = ({ id }: { readonly id: string }) => <a href={linkTo(`jobs/${id}`)}>{id.slice(0, 12)}…</a>;

interface ButtonsProps {
  readonly job: Job;
  readonly path: string;
  readonly isOperator: boolean;
  readonly onDone: () => void;
}

function JobButtons({ job, path, isOperator, onDone }: ButtonsProps) {
  const api = useApi();
  const cancel = useAction(async () => {
    await api.send("POST", `${path}/cancel`);
    onDone();
  });
  const erase = useAction(async () => {
    await api.send("DELETE", path);
    onDone();
  });
  const retry = useAction(async () => {
    const { id } = await api.send<Job>("POST", `${path}/retry`);
    goTo(linkTo(`jobs/${id}`));
  });
  if (!hasEnded(job.status))
    return (
      <p class="buttons">
        <Asked label="Cancel" question="Cancel this job?" submit="Cancel it" action={cancel} />
      </p>
    );
  if (isOperator || job.content_deleted_at !== null) return null;
  return (
    <p class="buttons">
      {job.status !== "completed" && (
        <Asked label="Retry …" question="Make a new job of its request?" submit="Make it" action={retry} />
      )}
      <Asked
        label="Erase content"
        question="Erase request, answer and metadata? The history stays."
        submit="Erase them"
        action={erase}
      />
    </p>
  );
}

function JobError({ error }: { readonly error: NonNullable<Job["error"]> }) {
  const known = ADVICE[error.code];
  const advice = known && adviceWords(known.advice);
  return (
    <div class="problem">
      <strong>{known?.title ?? error.code}</strong>
      <p>
        <Word text={error.message} />
      </p>
      {advice && <p>{advice}</p>}
      <p class="quiet">
        <code>{error.code}</code>
      </p>
    </div>
  );
}

const ABSENT: Readonly<Record<string, string>> = {
  not_ended: "There is no answer yet.",
  no_answer: "No deployment's answer ended this job.",
  deleted: "The answer was erased.",
  expired: "The answer is older than answers are kept.",
};

function Answer({ job }: { readonly job: Job }) {
  const { response } = job;
  const text = response ? answerText(response.body) : undefined;
  return (
    <section aria-labelledby="answer">
      <h2 id="answer">Answer</h2>
      {!response && <p class="quiet">{ABSENT[job.response_absent ?? ""] ?? "There is none."}</p>}
      {text !== undefined && <HostileText text={text} label="The answer's text" />}
      {response && (
        <details open={text === undefined}>
          <summary>As JSON, status {response.status_code}</summary>
          <HostileText text={prettyJson(response.body)} label="The answer as JSON" />
        </details>
      )}
    </section>
  );
}
