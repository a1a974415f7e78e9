import { useEffect, useState } from "preact/hooks";
import { saveAs } from "../download.ts";
import { useDraft } from "../draft.ts";
import { EVERY_MS, useAction, useApi, useLive } from "../live.ts";
import { goTo } from "../location.ts";
import { Area, Asked, Choice, Form } from "../parts/form.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Request } from "../parts/request.tsx";
import { Facts, Table } from "../parts/table.tsx";
import { HostileText, State, When, Word } from "../parts/text.tsx";
import {
  type Comparison,
  type Job,
  type List,
  type ListedComparison,
  type Model,
  type Page,
  PRIORITIES,
} from "../resources.ts";
import { answerText, prettyJson } from "../rows/answer-text.ts";
import { waitWords } from "../rows/job-list.ts";
import { linkTo } from "../rows/location.ts";
import { bodyOf, EMPTY_DRAFT } from "../rows/submission.ts";
import { count, duration, money } from "../rows/words.ts";
import type { ScreenProps } from "../screen.ts";

const MOST_MODELS = 8;

/** One body for several models, and those that were compared before. */
export function CompareScreen() {
  const models = useLive<List<Model>>("/api/models", 0);
  return (
    <>
      <Loaded live={models}>{({ data }) => <CompareForm models={data} />}</Loaded>
      <Earlier />
    </>
  );
}

function CompareForm({ models }: { readonly models: readonly Model[] }) {
  const api = useApi();
  const [draft, setDraft, forget] = useDraft("compare", EMPTY_DRAFT);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const set = (name: keyof typeof draft) => (value: string) => setDraft({ ...draft, [name]: value });
  const able = models.filter(({ endpoints }) => endpoints.includes(draft.endpoint));
  const action = useAction(async () => {
    const { priority, endpoint } = draft;
    const body = { models: chosen, endpoint, body: bodyOf(draft), priority };
    const { id } = await api.send<Comparison>("POST", "/api/comparisons", body);
    forget();
    goTo(linkTo(`compare/${id}`));
  });
  const toggle = (id: string) =>
    setChosen(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id]);
  return (
    <Form action={action} submit={`Compare ${chosen.length} models`} isDisabled={chosen.length < 2}>
      <fieldset>
        <legend>Models, 2 to {MOST_MODELS}</legend>
        {able.map(({ id, owned_by }) => (
          <label key={id} class="check">
            <input
              type="checkbox"
              checked={chosen.includes(id)}
              disabled={!chosen.includes(id) && chosen.length >= MOST_MODELS}
              onChange={() => toggle(id)}
            />
            <span>
              <Word text={id} /> <span class="quiet">{owned_by}</span>
            </span>
          </label>
        ))}
      </fieldset>
      <Choice
        label="Write"
        value={draft.isJson ? "the body as JSON" : "a prompt"}
        onValue={(value) => setDraft({ ...draft, isJson: value !== "a prompt" })}
        options={["a prompt", "the body as JSON"]}
      />
      <Choice label="Priority" value={draft.priority} onValue={set("priority")} options={PRIORITIES} />
      {draft.isJson ? (
        <Area label="Body, without a model" value={draft.json} onValue={set("json")} rows={10} isCode />
      ) : (
        <>
          <Area label="Instructions (optional)" value={draft.system} onValue={set("system")} rows={2} />
          <Area label="Prompt" value={draft.prompt} onValue={set("prompt")} isRequired />
        </>
      )}
    </Form>
  );
}

function Earlier() {
  const live = useLive<Page<ListedComparison>>("/api/comparisons?limit=20");
  return (
    <section aria-labelledby="earlier">
      <h2 id="earlier">Earlier comparisons</h2>
      <Loaded live={live} isEmpty={({ data }) => data.length === 0} empty="Nothing was compared yet.">
        {({ data }) => (
          <Table
            caption="Comparisons, newest first"
            rows={data}
            keyOf={({ id }) => id}
            columns={[
              {
                name: "Comparison",
                cell: ({ id }) => <a href={linkTo(`compare/${id}`)}>{id.slice(0, 12)}…</a>,
              },
              { name: "Status", cell: ({ status }) => <State state={status} /> },
              {
                name: "Models",
                cell: ({ jobs }) => <Word text={jobs.map(({ model }) => model).join(", ")} />,
              },
              { name: "Made", cell: ({ created_at }) => <When at={created_at} /> },
              { name: "Cost", isNumber: true, cell: ({ cost }) => money(cost) },
            ]}
          />
        )}
      </Loaded>
    </section>
  );
}

/** Answers side by side. */
export function ComparisonScreen({ values: { id = "" } }: ScreenProps) {
  const api = useApi();
  const path = `/api/comparisons/${encodeURIComponent(id)}`;
  const [isOver, setIsOver] = useState(false);
  const live = useLive<Comparison>(path, isOver ? 0 : EVERY_MS);
  const status = live.value?.status;
  useEffect(() => setIsOver(status === "ended"), [status]);
  const first = live.value?.jobs.find(({ job }) => job !== null)?.job?.id;
  const cancel = useAction(async () => {
    await api.send("POST", `${path}/cancel`);
    live.again();
  });
  return (
    <Loaded live={live}>
      {(comparison) => (
        <>
          <p class="bar">
            <span>
              <code>{comparison.id}</code> <State state={comparison.status} /> ·{" "}
              {comparison.request_counts.completed} of {comparison.request_counts.total} completed · cost{" "}
              {money(comparison.cost)}
            </span>
            <span class="buttons">
              {comparison.status === "in_progress" && (
                <Asked label="Cancel" question="Cancel what runs?" submit="Cancel it" action={cancel} />
              )}
              <button
                type="button"
                class="small"
                onClick={() => saveAs(`${comparison.id}.json`, new Blob([prettyJson(comparison)]))}
              >
                Download as JSON
              </button>
            </span>
          </p>
          {comparison.jobs.length > 1 && (
            <p class="quiet">Words that the first answer does not have are marked in the others.</p>
          )}
          <div class="cards">
            {comparison.jobs.map((each, at) => (
              <Side
                key={each.model}
                side={each}
                than={at === 0 ? undefined : textOf(comparison.jobs[0]?.job ?? null)}
              />
            ))}
          </div>
          {first && <Request path={`/api/jobs/${first}/request`} />}
        </>
      )}
    </Loaded>
  );
}

const textOf = (job: Job | null) =>
  job?.response ? (answerText(job.response.body) ?? prettyJson(job.response.body)) : undefined;

interface SideProps {
  readonly side: Comparison["jobs"][number];
  /** The first answer: where this one differs is marked. */
  readonly than: string | undefined;
}

function Side({ side: { model, job, latency_ms, holds_schema }, than }: SideProps) {
  const text = textOf(job);
  return (
    <section class="card" aria-label={model}>
      <h2>
        <Word text={model} />
      </h2>
      {job === null ? (
        <p class="quiet">Its job was never made.</p>
      ) : (
        <>
          <p>
            <State state={job.status} />
            {job.simulated && <strong> · simulated</strong>} <a href={linkTo(`jobs/${job.id}`)}>the job</a>
            {job.waiting && <span class="quiet"> waits {waitWords(job)}</span>}
          </p>
          <Facts
            facts={[
              ["Time", latency_ms === null ? "–" : duration(latency_ms / 1000)],
              ["Tokens in / out", `${count(job.usage?.input_tokens)} / ${count(job.usage?.output_tokens)}`],
              ["Cost", money(job.cost, job.cost_unknown)],
              ["Deployment", job.deployment],
              ["Holds the schema", holds_schema === null ? null : holds_schema ? "yes" : "no"],
            ]}
          />
          {job.error && (
            <p class="problem">
              <Word text={job.error.message} />
            </p>
          )}
          {text !== undefined && <HostileText text={text} label={`The answer of ${model}`} than={than} />}
        </>
      )}
    </section>
  );
}
