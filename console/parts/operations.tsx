import { useAction, useApi, useLive } from "../live.ts";
import type { List } from "../resources.ts";
import { type Operation, operationWords, shownOf } from "../rows/operations.ts";
import { Asked } from "./form.tsx";
import { When } from "./text.tsx";

const PATH = "/api/ops/operations";

/** How far what is done to many at once has come, whoever asked for it. */
export function Operations({ kind }: { readonly kind: string }) {
  const live = useLive<List<Operation>>(PATH);
  return (
    <>
      {shownOf(live.value?.data ?? [], kind).map((each) => (
        <span key={each.id} role="status">
          {operationWords(each)} (<When at={each.created_at} />){" "}
          {each.status === "in_progress" && <Stop id={each.id} onDone={live.again} />}
        </span>
      ))}
    </>
  );
}

function Stop({ id, onDone }: { readonly id: string; readonly onDone: () => void }) {
  const api = useApi();
  const action = useAction(async () => {
    await api.send("POST", `${PATH}/${id}/cancel`);
    onDone();
  });
  return (
    <Asked label="Stop …" question="Stop it? What it has done stays." submit="Stop it" action={action} />
  );
}
