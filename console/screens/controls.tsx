import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { useAction, useApi, useLive } from "../live.ts";
import { Asked, Choice, Field, Form, Reason } from "../parts/form.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { State, When, Word } from "../parts/text.tsx";
import {
  CATALOGUE,
  type Catalogue,
  type List,
  type Made,
  type OpsDeployment,
  type Overrides,
} from "../resources.ts";
import { limitsOf, pairsOf, pathOf, settingsOf } from "../rows/controls.ts";

/** What operators have set over the files: switches, limits, weights. */
export function ControlsScreen() {
  const live = useLive<Overrides>("/api/ops/switches");
  const deployments = useLive<List<OpsDeployment>>("/api/ops/deployments", 0).value?.data ?? [];
  return (
    <>
      <Loaded
        live={live}
        isEmpty={(overrides) => settingsOf(overrides).length === 0}
        empty="Nothing is set: the files apply as they are."
      >
        {(overrides) => (
          <Table
            caption="What operators have set"
            rows={settingsOf(overrides)}
            keyOf={({ path }) => path}
            columns={columnsFor(live.again)}
          />
        )}
      </Loaded>
      <SetSwitch deployments={deployments} onDone={live.again} />
      <SetLimits deployments={deployments} onDone={live.again} />
      <SetWeights onDone={live.again} />
    </>
  );
}

type Row = ReturnType<typeof settingsOf>[number];

function columnsFor(onDone: () => void): readonly Column<Row>[] {
  return [
    { name: "What", cell: ({ kind }) => kind },
    { name: "Name", cell: ({ name }) => <Word text={name} /> },
    { name: "Is set to", cell: ({ value, state }) => (state ? <State state={state} /> : value) },
    { name: "Since", cell: ({ made }) => <When at={made.since} /> },
    { name: "By", cell: ({ made }) => <Word text={made.actor} /> },
    { name: "Because", cell: ({ made }) => reasonOf(made) },
    {
      name: "Change",
      cell: ({ path, kind, name }) => <TakeBack what={`${kind} ${name}`} path={path} onDone={onDone} />,
    },
  ];
}

const reasonOf = ({ reason }: Made) => (reason === null ? "–" : <Word text={reason} />);

interface TakeBackProps {
  readonly what: string;
  readonly path: string;
  readonly onDone: () => void;
}

function TakeBack({ what, path, onDone }: TakeBackProps) {
  const api = useApi();
  const action = useAction(async () => {
    await api.send("DELETE", path);
    onDone();
  });
  return (
    <Asked
      label="Take back …"
      question={`Take back ${what}? The file applies again.`}
      submit="Take it back"
      action={action}
    />
  );
}

interface SetProps {
  readonly title: string;
  readonly submit: string;
  /** Says what is put where. */
  readonly put: () => { readonly path: string; readonly body: object };
  readonly onDone: () => void;
  readonly children: ComponentChildren;
}

/** A form that sets something, with its reason. */
function Setting({ title, submit, put, onDone, children }: SetProps) {
  const api = useApi();
  const [reason, setReason] = useState("");
  const action = useAction(async () => {
    const { path, body } = put();
    await api.send("PUT", path, { ...body, ...(reason === "" ? {} : { reason }) });
    setReason("");
    onDone();
  });
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <Form action={action} submit={submit}>
        {children}
        <Reason value={reason} onValue={setReason} />
      </Form>
    </section>
  );
}

interface KindProps {
  readonly deployments: readonly OpsDeployment[];
  readonly onDone: () => void;
}

function SetSwitch({ deployments, onDone }: KindProps) {
  const [kind, setKind] = useState("deployment");
  const [name, setName] = useState("");
  const [state, setState] = useState("off");
  const [mode, setMode] = useState("");
  const options = [
    ...new Set(
      deployments.map((each) => ({ provider: each.provider, route: each.model })[kind] ?? each.name),
    ),
  ];
  return (
    <Setting
      title="Set a switch"
      submit="Set the switch"
      onDone={onDone}
      put={() => ({
        path: pathOf(`switches/${kind}`, name),
        body: { state, ...(mode === "" ? {} : { mode }) },
      })}
    >
      <Choice label="Of" value={kind} onValue={setKind} options={["deployment", "provider", "route"]} />
      <Field label="Its name" value={name} onValue={setName} options={options} maxLength={128} isRequired />
      <Choice label="State" value={state} onValue={setState} options={["off", "drained", "on"]} />
      <Choice
        label="Its jobs"
        value={mode}
        onValue={setMode}
        options={["fail_over", "park"]}
        any="as is usual"
        words={{ fail_over: "go elsewhere", park: "wait" }}
      />
    </Setting>
  );
}

function SetLimits({ deployments, onDone }: KindProps) {
  const [name, setName] = useState("");
  const [requests, setRequests] = useState("");
  const [tokens, setTokens] = useState("");
  const [concurrency, setConcurrency] = useState("");
  const put = () => {
    const body = limitsOf({ requests_per_minute: requests, tokens_per_minute: tokens, concurrency });
    return { path: pathOf("limits", name), body };
  };
  return (
    <Setting title="Set a deployment's limits, all of them" submit="Set the limits" onDone={onDone} put={put}>
      <Field
        label="Deployment"
        value={name}
        onValue={setName}
        options={deployments.map((each) => each.name)}
        maxLength={128}
        isRequired
      />
      <Field label="Requests a minute" type="number" value={requests} onValue={setRequests} />
      <Field label="Tokens a minute" type="number" value={tokens} onValue={setTokens} />
      <Field label="Calls at a time" type="number" value={concurrency} onValue={setConcurrency} />
    </Setting>
  );
}

function SetWeights({ onDone }: { readonly onDone: () => void }) {
  const [route, setRoute] = useState("");
  const [weights, setWeights] = useState("");
  const [tenant, setTenant] = useState("");
  const [weight, setWeight] = useState("");
  const tenants = useLive<List<{ readonly id: string }>>("/api/ops/tenants", 0).value?.data ?? [];
  const routes = useLive<Catalogue>(CATALOGUE, 0).value?.routes ?? [];
  return (
    <>
      <Setting
        title="Set the weights of a route's targets"
        submit="Set the route's weights"
        onDone={onDone}
        put={() => ({ path: pathOf("weights/routes", route), body: { weights: pairsOf(weights) } })}
      >
        <Field
          label="Route"
          value={route}
          onValue={setRoute}
          options={routes.map(({ model }) => model)}
          maxLength={128}
          isRequired
        />
        <Field
          label="Weights"
          value={weights}
          onValue={setWeights}
          hint="gpt-east=3, gpt-west=1"
          isRequired
        />
      </Setting>
      <Setting
        title="Set a tenant's weight"
        submit="Set the tenant's weight"
        onDone={onDone}
        put={() => ({ path: pathOf("weights/tenants", tenant), body: { weight: Number(weight) } })}
      >
        <Field
          label="Tenant"
          value={tenant}
          onValue={setTenant}
          options={tenants.map(({ id }) => id)}
          maxLength={64}
          isRequired
        />
        <Field
          label="Weight"
          type="number"
          value={weight}
          onValue={setWeight}
          hint="Its share of quota beside others'"
          isRequired
        />
      </Setting>
    </>
  );
}
