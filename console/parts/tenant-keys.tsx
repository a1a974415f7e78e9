import { useEffect, useRef, useState } from "preact/hooks";
import { useAction, useApi, useLive } from "../live.ts";
import type { List, OpsDeployment } from "../resources.ts";
import { EMPTY_DRAFT, sdkOf, shellQuoted } from "../rows/submission.ts";
import { keyBody, keyState, modelFor, type Tenant, type TenantKey } from "../rows/tenants.ts";
import { Asked, Field, Form } from "./form.tsx";
import { Loaded } from "./loaded.tsx";
import { type Column, Table } from "./table.tsx";
import { Copy, HostileText, State, When, Word } from "./text.tsx";

/** A tenant's keys: what there are, a new one, and how it is used. */
export function TenantKeys({ tenant }: { readonly tenant: Tenant }) {
  const path = `/api/ops/tenants/${encodeURIComponent(tenant.id)}/keys`;
  const live = useLive<List<TenantKey>>(path);
  return (
    <section aria-labelledby="keys">
      <h2 id="keys">Keys</h2>
      <Loaded
        live={live}
        isEmpty={({ data }) => data.length === 0}
        empty={
          tenant.key_sha256.length === 0
            ? "It has no keys."
            : `It has no keys but ${tenant.key_sha256.length} of which only the hash is known.`
        }
      >
        {({ data }) => (
          <Table caption="Keys" columns={columnsFor(path, live.again)} rows={data} keyOf={({ id }) => id} />
        )}
      </Loaded>
      <MakeKey tenant={tenant} path={path} onDone={live.again} />
    </section>
  );
}

function columnsFor(path: string, onDone: () => void): readonly Column<TenantKey>[] {
  return [
    { name: "Name", cell: ({ name }) => (name === null ? "–" : <Word text={name} />) },
    { name: "Begins with", cell: ({ prefix }) => (prefix === null ? "–" : <code>{prefix}…</code>) },
    { name: "State", cell: (key) => <State state={keyState(key, Date.now() / 1000)} /> },
    { name: "Comes from", cell: ({ source }) => (source === "file" ? "the file" : "an operator") },
    { name: "Made", cell: ({ created_at }) => <When at={created_at} /> },
    { name: "Expires", cell: ({ expires_at }) => (expires_at === null ? "never" : <When at={expires_at} />) },
    {
      name: "Last used",
      cell: ({ last_used_at }) => (last_used_at === null ? "never" : <When at={last_used_at} />),
    },
    {
      name: "Change",
      cell: (key) => key.source === "store" && <Revoke tenantKey={key} path={path} onDone={onDone} />,
    },
  ];
}

interface RevokeProps {
  readonly tenantKey: TenantKey;
  readonly path: string;
  readonly onDone: () => void;
}

function Revoke({ tenantKey: { id, name, prefix }, path, onDone }: RevokeProps) {
  const api = useApi();
  const action = useAction(async () => {
    await api.send("DELETE", `${path}/${encodeURIComponent(id)}`);
    onDone();
  });
  return (
    <Asked
      label="Revoke …"
      question={`Revoke the key ${name ?? prefix ?? id}? Whoever uses it is refused within 5 s, for good.`}
      submit="Revoke it"
      action={action}
    />
  );
}

interface MakeKeyProps {
  readonly tenant: Tenant;
  readonly path: string;
  readonly onDone: () => void;
}

function MakeKey({ tenant, path, onDone }: MakeKeyProps) {
  const api = useApi();
  const [name, setName] = useState("");
  const [expires, setExpires] = useState("");
  const [key, setKey] = useState<string | null>(null);
  const action = useAction(async () => {
    const made = await api.send<{ key: string | null }>("POST", path, keyBody(name, expires));
    setKey(made.key);
    setName("");
    onDone();
  });
  return (
    <>
      <h3>Make a key</h3>
      <Form action={action} submit="Make a key">
        <Field label="Its name" value={name} onValue={setName} hint="To tell it by" />
        <Field
          label="Last day"
          type="date"
          value={expires}
          onValue={setExpires}
          hint="Of UTC; empty: it does not expire"
        />
      </Form>
      {key !== null && <NewKey value={key} tenant={tenant} onKept={() => setKey(null)} />}
    </>
  );
}

interface NewKeyProps {
  readonly value: string;
  readonly tenant: Tenant;
  readonly onKept: () => void;
}

/** The one time that a key is seen: neither the service nor this tab keeps it. */
function NewKey({ value, tenant, onKept }: NewKeyProps) {
  const deployments = useLive<List<OpsDeployment>>("/api/ops/deployments", 0);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [value]);
  const shell = `export SWITCHYARD_KEY=${shellQuoted(value)}`;
  return (
    <section class="card" aria-labelledby="new-key">
      <h3 id="new-key" ref={heading} tabIndex={-1}>
        The new key
      </h3>
      <p class="stale">It is shown this once. Copy it now: nobody can show it again.</p>
      <p class="buttons">
        <code data-key>{value}</code>
        <Copy text={value} label="Copy the key" />
      </p>
      <h4>In a shell</h4>
      <HostileText text={shell} label="The key in a shell" />
      <Copy text={shell} label="Copy the shell line" />
      <h4>With the OpenAI SDK</h4>
      <Loaded live={deployments}>
        {({ data }) => (
          <SdkLines
            model={
              modelFor(
                tenant,
                data.map((each) => each.model),
              ) ?? "MODEL"
            }
          />
        )}
      </Loaded>
      <p>
        <button type="button" class="plain" onClick={onKept}>
          I have kept it
        </button>
      </p>
    </section>
  );
}

function SdkLines({ model }: { readonly model: string }) {
  const body = { model, messages: [{ role: "user", content: "Hello" }] };
  const lines = sdkOf(location.origin, { ...EMPTY_DRAFT, priority: "" }, body);
  return (
    <>
      <HostileText text={lines} label="The key with the OpenAI SDK" />
      <Copy text={lines} label="Copy the SDK lines" />
    </>
  );
}
