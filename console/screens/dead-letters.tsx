import { useState } from "preact/hooks";
import { queryOf } from "../api.ts";
import { useAction, useApi, useLive } from "../live.ts";
import { goTo, useFilter } from "../location.ts";
import { Asked, Choice, Field, Reason } from "../parts/form.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Operations } from "../parts/operations.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { When, Word } from "../parts/text.tsx";
import type { Page } from "../resources.ts";
import {
  choiceWords,
  type DeadLetter,
  LETTER_STATES,
  type LetterChoice,
  letterFilter,
  letterQuery,
  remedyOf,
} from "../rows/dead-letters.ts";
import { linkTo } from "../rows/location.ts";
import { count } from "../rows/words.ts";
import type { ScreenProps } from "../screen.ts";

const PAGE_LETTERS = 50;
const PATH = "/api/ops/dead-letters";

/** What the queue gave up on, and what can be done about it. */
export function DeadLettersScreen({ place }: ScreenProps) {
  const [state, setState] = useFilter(place, "state");
  const [tenant, setTenant] = useFilter(place, "tenant");
  const [job, setJob] = useFilter(place, "job");
  const [reason, setReason] = useFilter(place, "reason");
  const after = place.query.get("after") ?? undefined;
  const choice = { state, tenant, job, reason };
  const live = useLive<Page<DeadLetter>>(
    `${PATH}${queryOf({ ...letterQuery(choice), limit: PAGE_LETTERS, after })}`,
  );
  // A page that follows a letter is one of a list; another filter begins at the newest.
  const from = (set: (value: string) => void) => (value: string) => {
    if (after !== undefined) goTo(linkTo(place.path, choice), true);
    set(value);
  };
  return (
    <>
      <div class="fields">
        <Choice label="State" value={state} onValue={from(setState)} options={LETTER_STATES} any="Any" />
        <Field label="Tenant" type="search" value={tenant} onValue={from(setTenant)} />
        <Field label="Job" type="search" value={job} onValue={from(setJob)} />
        <Field
          label="Reason"
          type="search"
          value={reason}
          onValue={from(setReason)}
          hint="All of it, exactly"
        />
      </div>
      <Many choice={choice} onDone={live.again} />
      <Loaded
        live={live}
        isEmpty={({ data }) => data.length === 0}
        empty={Object.keys(letterQuery(choice)).length === 0 ? "There are none." : "No letter is like that."}
      >
        {({ data, has_more, last_id }) => (
          <>
            <Table
              caption="Dead letters, newest first"
              columns={columnsFor(live.again)}
              rows={data}
              keyOf={({ id }) => id}
            />
            <p class="buttons">
              {after !== undefined && <a href={linkTo(place.path, choice)}>Newest</a>}
              {has_more && last_id !== null && (
                <a href={linkTo(place.path, { ...choice, after: last_id })}>Older</a>
              )}
            </p>
          </>
        )}
      </Loaded>
    </>
  );
}

function columnsFor(onDone: () => void): readonly Column<DeadLetter>[] {
  return [
    { name: "Came", cell: ({ at }) => <When at={at} /> },
    {
      name: "Why",
      cell: ({ reason, description }) => (
        <>
          <Word text={reason} /> <span class="quiet">{<Word text={description} />}</span>
        </>
      ),
    },
    { name: "Tenant", cell: ({ tenant_id }) => (tenant_id === null ? "–" : <Word text={tenant_id} />) },
    { name: "Job", cell: (letter) => <About letter={letter} /> },
    { name: "Done about it", cell: (letter) => <Done letter={letter} /> },
    { name: "Change", cell: (letter) => <One letter={letter} onDone={onDone} /> },
  ];
}

function About({ letter: { readable, queue, job_id, job_status } }: { readonly letter: DeadLetter }) {
  if (!readable) return <>It cannot be read: find out who sends to the queue.</>;
  if (job_id === null) return <>–</>;
  if (queue !== "jobs")
    return (
      <>
        {job_id.slice(0, 14)}… <span class="quiet">of the queue {queue}</span>
      </>
    );
  return job_status === null ? (
    <>
      {job_id.slice(0, 12)}… <span class="quiet">is not there</span>
    </>
  ) : (
    <>
      <JobLink id={job_id} /> <span class="quiet">{job_status.replaceAll("_", " ")}</span>
    </>
  );
}

const JobLink = ({ id }: { readonly id: string }) => <a href={linkTo(`jobs/${id}`)}>{id.slice(0, 12)}…</a>;

function Done({ letter: { redriven, dismissed } }: { readonly letter: DeadLetter }) {
  if (redriven !== null)
    return (
      <>
        {redriven.outcome.replaceAll("_", " ")} <When at={redriven.at} /> by <Word text={redriven.actor} />
        {redriven.outcome === "new_job" && redriven.job_id !== null && (
          <>
            {": "}
            <JobLink id={redriven.job_id} />
          </>
        )}
      </>
    );
  if (dismissed === null) return <>–</>;
  return (
    <>
      dismissed <When at={dismissed.at} /> by <Word text={dismissed.actor} />
    </>
  );
}

interface OneProps {
  readonly letter: DeadLetter;
  readonly onDone: () => void;
}

function One({ letter, onDone }: OneProps) {
  const api = useApi();
  const { canRedrive, makesJob, canDismiss } = remedyOf(letter);
  const redrive = useAction(async () => {
    await api.send("POST", `${PATH}/${letter.id}/redrive`);
    onDone();
  });
  const dismiss = useAction(async () => {
    await api.send("POST", `${PATH}/dismiss`, { filter: { job_id: letter.job_id } });
    onDone();
  });
  return (
    <span class="buttons">
      {canRedrive && (
        <Asked
          label="Redrive …"
          question={makesJob ? "Make a new job of this ended one, and pay for it?" : "Send it again?"}
          submit="Redrive it"
          action={redrive}
        />
      )}
      {canDismiss && (
        <Asked
          label="Dismiss …"
          question="Say of all letters about this job that nothing needs to be done?"
          submit="Dismiss them"
          action={dismiss}
        />
      )}
    </span>
  );
}

interface ManyProps {
  readonly choice: LetterChoice;
  readonly onDone: () => void;
}

/** Redrives or dismisses all that the filter names, page after page. */
function Many({ choice, onDone }: ManyProps) {
  const api = useApi();
  const [isNew, setIsNew] = useState(false);
  const [reason, setReason] = useState("");
  const [said, setSaid] = useState("");
  const filter = letterFilter(choice);
  const redrive = useAction(async () => {
    await api.send("POST", `${PATH}/redrive-all`, { filter, new_jobs: isNew });
    onDone();
  });
  const dismiss = useAction(async () => {
    for (let all = 0, left = 1; left > 0; ) {
      const body = { filter, ...(reason === "" ? {} : { reason }) };
      const page = await api.send<{ dismissed: number; left: number }>("POST", `${PATH}/dismiss`, body);
      all += page.dismissed;
      left = page.dismissed === 0 ? 0 : page.left;
      setSaid(`${count(all)} dismissed, ${count(page.left)} left`);
    }
    setReason("");
    onDone();
  });
  const which = choiceWords(choice);
  return (
    <p class="buttons">
      <Asked label="Redrive many …" question={`Redrive ${which}?`} submit="Redrive them" action={redrive}>
        <label class="check">
          <input type="checkbox" checked={isNew} onChange={() => setIsNew(!isNew)} />
          <span>Ended jobs too: each makes a new job, which costs money</span>
        </label>
      </Asked>
      <Asked label="Dismiss many …" question={`Dismiss ${which}?`} submit="Dismiss them" action={dismiss}>
        <Reason value={reason} onValue={setReason} />
      </Asked>
      <Operations kind="redrive_dead_letters" />
      {said !== "" && <span role="status">{said}</span>}
    </p>
  );
}
