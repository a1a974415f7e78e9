import { useState } from "preact/hooks";
import { useAction, useApi, useLive } from "../live.ts";
import { CATALOGUE, type Catalogue } from "../resources.ts";
import { doubtsOf, NEW_TENANT, type TenantDraft, tenantBody } from "../rows/tenants.ts";
import { Choice, Field, Form, Reason } from "./form.tsx";

interface TenantFormProps {
  /** Ids of the tenants that there are. */
  readonly taken?: readonly string[];
  /** Undefined: a new tenant, whose id is a field. */
  readonly id?: string;
  readonly draft?: TenantDraft;
  readonly submit: string;
  readonly onDone: (id: string) => void;
}

/** All fields of a tenant, which are set together. */
export function TenantForm({
  taken = [],
  id: known,
  draft: initial = NEW_TENANT,
  submit,
  onDone,
}: TenantFormProps) {
  const api = useApi();
  const [id, setId] = useState(known ?? "");
  const [draft, setDraft] = useState(initial);
  const field = (name: keyof TenantDraft) => ({
    ...{ value: draft[name], onValue: (value: string) => setDraft({ ...draft, [name]: value }) },
  });
  const catalogue = useLive<Catalogue>(CATALOGUE, 0).value;
  const action = useAction(async () => {
    const path = `/api/ops/tenants/${encodeURIComponent(id)}`;
    // Setting all of a tenant that somebody has made meanwhile would undo theirs.
    const headers = known === undefined ? { "if-none-match": "*" } : {};
    await api.send("PUT", path, tenantBody(draft), headers);
    onDone(id);
  });
  return (
    <Form action={action} submit={submit}>
      {known === undefined && (
        <Field
          label="Id"
          value={id}
          onValue={setId}
          isRequired
          maxLength={64}
          hint="1 to 64 letters, digits and _.-"
          fault={taken.includes(id) ? EXISTS : undefined}
        />
      )}
      <Field
        label="Models it may ask for"
        {...field("allowModels")}
        hint="Commas between; gpt-*: all that begin so"
      />
      <Field label="Labs that never see its prompts" {...field("denyProviders")} hint="Commas between" />
      <Field label="Weight" type="number" {...field("weight")} hint="Its share of quota beside others'" />
      <Field label="Submits a second" type="number" {...field("submitsPerSecond")} hint="Empty: no limit" />
      <Field
        label="Submits at once"
        type="number"
        {...field("burst")}
        hint="After a pause"
        fault={draft.burst !== "" && draft.submitsPerSecond === "" ? "Needs submits a second" : undefined}
      />
      <fieldset>
        <legend>Budget</legend>
        <Field label="A day" {...field("perDay")} hint="Of UTC; empty: no limit" />
        <Field label="A month" {...field("perMonth")} hint="Of UTC; empty: no limit" />
        <Field label="Currency" {...field("currency")} />
        <Choice
          label="Once it is spent"
          {...field("over")}
          options={["wait", "refuse"]}
          words={{ wait: "jobs wait", refuse: "jobs are refused" }}
        />
      </fieldset>
      <fieldset>
        <legend>Microsoft Entra, and keys made elsewhere</legend>
        <Field label="Application ids" {...field("entraAppIds")} hint="Commas between" />
        <Field label="Scopes" {...field("entraScopes")} hint="Let users' tokens in" />
        <Field label="SHA-256 of keys" {...field("keySha256")} hint="In hex, commas between" />
      </fieldset>
      <Reason {...field("reason")} />
      {doubtsOf(draft, catalogue).map((each) => (
        <p key={each} class="stale wide">
          {each}
        </p>
      ))}
    </Form>
  );
}

const EXISTS = "There is such a tenant already: open it to change it.";
