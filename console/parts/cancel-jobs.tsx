import { useState } from "preact/hooks";
import { ApiProblem } from "../api.ts";
import { useAction, useApi } from "../live.ts";
import { hasEnded, type Job } from "../resources.ts";
import { Asked, Reason } from "./form.tsx";
import { Operations } from "./operations.tsx";

interface SelectedProps {
  readonly jobs: readonly Job[];
  /** Of jobs: /api/jobs or /api/ops/jobs. */
  readonly path: string;
  readonly onDone: () => void;
}

/** Cancels those of the selected jobs that have not ended. */
export function CancelSelected({ jobs, path, onDone }: SelectedProps) {
  const api = useApi();
  const alive = jobs.filter(({ status }) => !hasEnded(status));
  const cancelOne = (id: string) =>
    api.send("POST", `${path}/${id}/cancel`).catch((thrown: unknown) => {
      // One that ended meanwhile needs no cancel.
      if (!(thrown instanceof ApiProblem) || thrown.code !== "job_ended") throw thrown;
    });
  const action = useAction(async () => {
    for (const { id } of alive) await cancelOne(id);
    onDone();
  });
  return (
    <Asked
      label={`Cancel selected (${alive.length})`}
      question={`Cancel ${alive.length === 1 ? "one job" : `${alive.length} jobs`}?`}
      submit="Cancel them"
      action={action}
      isDisabled={alive.length === 0}
    />
  );
}

interface MatchingProps {
  readonly body: object | undefined;
  readonly isOperator: boolean;
  readonly onDone: () => void;
}

/** Cancels all live jobs of the filter: a tenant's at once, in turns; an operator's by an operation that goes on by itself. */
export function CancelMatching({ body, isOperator, onDone }: MatchingProps) {
  const api = useApi();
  const [reason, setReason] = useState("");
  const action = useAction(async () => {
    if (isOperator) {
      const asked = { ...body, ...(reason === "" ? {} : { reason }) };
      await api.send("POST", "/api/ops/jobs/cancel", asked);
    } else {
      let isOver = false;
      while (!isOver)
        isOver = !(await api.send<{ has_more: boolean }>("POST", "/api/jobs/cancel", body)).has_more;
    }
    onDone();
  });
  return (
    <>
      <Asked
        label="Cancel all of the filter …"
        question="Cancel every job of this filter that has not ended?"
        submit="Cancel all"
        action={action}
        isDisabled={body === undefined}
        hint={body === undefined ? "Choose a filter of jobs that have not ended" : undefined}
      >
        {isOperator && <Reason value={reason} onValue={setReason} />}
      </Asked>
      {isOperator && <Operations kind="cancel_jobs" />}
    </>
  );
}
