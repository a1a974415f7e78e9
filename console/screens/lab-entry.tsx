import { useState } from "preact/hooks";
import { useAction, useApi, useLive } from "../live.ts";
import { Area, Asked, Form, Reason } from "../parts/form.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Facts } from "../parts/table.tsx";
import { When, Word } from "../parts/text.tsx";
import type { Made } from "../resources.ts";
import { prettyJson } from "../rows/answer-text.ts";
import { pathOf } from "../rows/controls.ts";
import { pricesOf } from "../rows/prices.ts";
import type { ScreenProps } from "../screen.ts";

/** An entry of the catalogue, and where it comes from. */
interface Entry extends Partial<{ [Name in keyof Made]: Made[Name] | null }> {
  readonly source: "file" | "store";
  readonly price?: unknown;
}

/** A deployment's entry in the catalogue: its prices, and all of it to be changed. */
export function LabEntryScreen({ values: { name = "" } }: ScreenProps) {
  const path = pathOf("deployments", name);
  const live = useLive<Entry>(path, 0);
  return (
    <Loaded live={live}>
      {(entry) => (
        <EntryForm key={prettyJson(entry)} name={name} path={path} entry={entry} onDone={live.again} />
      )}
    </Loaded>
  );
}

interface FormProps {
  readonly name: string;
  readonly path: string;
  readonly entry: Entry;
  readonly onDone: () => void;
}

function EntryForm({ name, path, entry, onDone }: FormProps) {
  const api = useApi();
  const { source, since, actor, reason: why } = entry;
  const [json, setJson] = useState(() => prettyJson(fieldsOf(entry)));
  const [reason, setReason] = useState("");
  const set = useAction(async () => {
    const body = JSON.parse(json) as object;
    await api.send("PUT", path, { ...body, ...(reason === "" ? {} : { reason }) });
    onDone();
  });
  const reset = useAction(async () => {
    await api.send("DELETE", path);
    onDone();
  });
  return (
    <>
      <Facts
        facts={[
          ["Deployment", <Word text={name} />],
          ["Comes from", source === "file" ? "the models file" : "an operator"],
          ["Set", since ? <When at={since} /> : null],
          ["By", actor],
          ["Because", why],
          ...pricesOf(entry.price),
        ]}
      />
      <Form action={set} submit="Set it">
        <Area label="Entry of the catalogue" value={json} onValue={setJson} rows={24} isCode />
        <Reason value={reason} onValue={setReason} />
      </Form>
      {source === "store" && (
        <Asked
          label="Take back …"
          question={`Take back what was set of ${name}? The file applies again, or it is gone.`}
          submit="Take it back"
          action={reset}
        />
      )}
    </>
  );
}

/** The entry without what is not set: its name, which is in the path, and where it comes from. */
function fieldsOf(entry: Entry): object {
  const NOT_SET = new Set(["object", "name", "source", "since", "actor", "reason"]);
  return Object.fromEntries(Object.entries(entry).filter(([name]) => !NOT_SET.has(name)));
}
