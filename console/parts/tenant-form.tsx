import { useState } from "preact/hooks";
import { useAction, useApi } from "../live.ts";
import { NEW_TENANT, type TenantDraft, tenantBody } from "../rows/tenants.ts";
import { Choice, Field, Form, Reason } from "./form.tsx";

interface TenantFormProps {
  /** Undefined: a new tenant, whose id is a field. */
  readonly id?: string;
  readonly draft?: TenantDraft;
  readonly submit: string;
  readonly onDone: (id: string) => void;
}

/** All fields of a tenant, which are set together. */
export function TenantForm({ id: known, draft: initial = NEW_TENANT, submit, onDone }: TenantFormProps) {
  const api = useApi();
  const [id, setId] = useState(known ?? "");
  const [draft, setDraft] = useState(initial);
  const field = (name: keyof TenantDraft) => ({
    ...{ value: draft[name], onValue: (value: string) => setDraft({ ...draft, [name]: value }) },
  });
  const action = useAction(async () => {
    await api.send("PUT", `/api/ops/tenants/${encodeURIComponent(id)}`, tenantBody(draft));
    onDone(id);
  });
  return (
    <Form action={action} submit={submit}>
      {known === undefined && (
        <Field label="Id" value={id} onValue={setId} isRequired hint="Letters, digits and _.-" />
      )}
      <Field
        label="Models it may ask for"
        {...field("allowModels")}
        hint="Commas between; gpt-*: all that begin so"
      />
      <Field label="Labs that never see its prompts" {...field("denyProviders")} hint="Commas between" />
      <Field label="Weight" type="number" {...field("weight")} hint="Its share of quota beside others'" />
      <Field label="Submits a second" type="number" {...field("submitsPerSecond")} hint="Empty: no limit" />
      <Field label="Submits at once" type="number" {...field("burst")} hint="After a pause" />
      <fieldset>
        <legend>Budget</legend>
        <Field label="A day" {...field("perDay")} hint="Of UTC; empty: no limit" />
        <Field label="A month" {...field("perMonth")} hint="Of UTC; empty: no limit" />
        <Field label="Currency" {...field("currency")} />
        <Choice label="What there is no money for" {...field("over")} options={["wait", "refuse"]} />
      </fieldset>
      <fieldset>
        <legend>Microsoft Entra, and keys made elsewhere</legend>
        <Field label="Application ids" {...field("entraAppIds")} hint="Commas between" />
        <Field label="Scopes" {...field("entraScopes")} hint="Let users' tokens in" />
        <Field label="SHA-256 of keys" {...field("keySha256")} hint="In hex, commas between" />
      </fieldset>
      <Reason {...field("reason")} />
    </Form>
  );
}
