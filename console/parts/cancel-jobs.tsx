import { useState } from "preact/hooks";
import { ApiProblem } from "../api.ts";
import { useAction, useApi, useLive } from "../live.ts";
import { hasEnded, type Job } from "../resources.ts";
import { Asked, Field } from "./form.tsx";

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
  const [operation, setOperation] = useState<string | undefined>(undefined);
  const action = useAction(async () => {
    if (isOperator) {
      const asked = { ...body, ...(reason === "" ? {} : { reason }) };
      setOperation((await api.send<{ id: string }>("POST", "/api/ops/jobs/cancel", asked)).id);
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
      >
        {isOperator && (
          <Field label="Reason" value={reason} onValue={setReason} hint="Kept in the audit trail" />
        )}
      </Asked>
      {operation !== undefined && <Operation key={operation} id={operation} />}
    </>
  );
}

interface OperationState {
  readonly status: "in_progress" | "ended";
  readonly counts: Readonly<Record<string, number>>;
}

/** How far something is that is done to many at once. */
export function Operation({ id }: { readonly id: string }) {
  const [isOver, setIsOver] = useState(false);
  const live = useLive<OperationState>(`/api/ops/operations/${id}`, isOver ? 0 : undefined);
  if (live.value?.status === "ended" && !isOver) setIsOver(true);
  if (live.value === undefined) return null;
  const counts = Object.entries(live.value.counts).map(
    ([name, count]) => `${count} ${name.replaceAll("_", " ")}`,
  );
  return (
    <span role="status">
      {live.value.status === "ended" ? "Done" : "Under way"}
      {counts.length > 0 && `: ${counts.join(", ")}`}
    </span>
  );
}
