import { useState } from "preact/hooks";
import { useAction, useApi, useLive } from "../live.ts";
import { Asked } from "../parts/form.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { SwitchButton } from "../parts/switch-button.tsx";
import { Facts } from "../parts/table.tsx";
import { State, When, Word } from "../parts/text.tsx";
import type { List, OpsDeployment, Overrides } from "../resources.ts";
import { pathOf } from "../rows/controls.ts";
import { labsOf, quotaWords, type Switch, switchOf, troubleOf } from "../rows/labs.ts";
import { linkTo } from "../rows/location.ts";
import { count, duration } from "../rows/words.ts";

/** How every lab is: what runs there, what may, and what went wrong. */
export function LabsScreen() {
  const live = useLive<List<OpsDeployment>>("/api/ops/deployments");
  const overrides = useLive<Overrides>("/api/ops/switches");
  const switches = overrides.value?.switches ?? [];
  const again = () => {
    live.again();
    overrides.again();
  };
  return (
    <Loaded live={live} isEmpty={({ data }) => data.length === 0} empty="The catalogue has no deployments.">
      {({ data }) =>
        labsOf(data).map(({ provider, deployments }) => {
          const isOn = !switches.some((each) => each.kind === "provider" && each.name === provider);
          return (
            <section key={provider} aria-label={provider}>
              <div class="bar">
                <h2>
                  <Word text={provider} />
                </h2>
                <SwitchButton kind="provider" name={provider} isOn={isOn} onDone={again} />
              </div>
              <div class="cards">
                {deployments.map((each) => (
                  <DeploymentCard key={each.name} deployment={each} switches={switches} onDone={again} />
                ))}
              </div>
            </section>
          );
        })
      }
    </Loaded>
  );
}

interface CardProps {
  readonly deployment: OpsDeployment;
  readonly switches: readonly Switch[];
  readonly onDone: () => void;
}

/** States of a breaker, as those read them who have never seen one. */
const HEALTH = { closed: "healthy", open: "failing", half_open: "probing" } as const;

function DeploymentCard({ deployment, switches, onDone }: CardProps) {
  const { name, model, breaker, quota, last_error } = deployment;
  const own = switches.find((each) => each.kind === "deployment" && each.name === name);
  const set = switchOf(switches, deployment);
  const trouble = troubleOf(deployment, switches);
  return (
    <section class="card" aria-label={name}>
      <div class="bar">
        <h3>
          <a href={linkTo(`labs/${encodeURIComponent(name)}`)}>
            <Word text={name} />
          </a>
        </h3>
        <State state={set?.state ?? HEALTH[breaker]} />
      </div>
      {trouble && (
        <p class="stale">
          <strong>{trouble.what}</strong> {trouble.todo}
        </p>
      )}
      <Facts
        facts={[
          ["Model", <Word text={model} />],
          ["Next probe", deployment.next_probe && <When at={deployment.next_probe} />],
          ["In flight", count(deployment.in_flight)],
          ["Longest call", deployment.longest_seconds === null ? null : duration(deployment.longest_seconds)],
          ["Requests a minute", quota.requests && quotaWords(quota.requests)],
          ["Tokens a minute", quota.tokens && quotaWords(quota.tokens)],
          ["Pool", quota.pool === name ? null : quota.pool],
          ["Switched", set && `${set.actor}${set.reason === null ? "" : `: ${set.reason}`}`],
        ]}
      />
      {last_error && (
        <p class="quiet">
          Last error <When at={last_error.at} />: {last_error.illness.replaceAll("_", " ")},{" "}
          <Word text={last_error.message} />
        </p>
      )}
      <div class="buttons">
        <SwitchButton kind="deployment" name={name} isOn={own === undefined} onDone={onDone} />
        {breaker !== "closed" && <Probe name={name} onDone={onDone} />}
        <Test name={name} />
      </div>
    </section>
  );
}

function Probe({ name, onDone }: { readonly name: string; readonly onDone: () => void }) {
  const api = useApi();
  const action = useAction(async () => {
    await api.send("POST", `${pathOf("deployments", name)}/probe`);
    onDone();
  });
  return (
    <Asked
      label="Probe now"
      question={`Let the job that waits longest for ${name} try it now?`}
      submit="Probe it"
      action={action}
    />
  );
}

interface TestResult {
  readonly outcome: string;
  readonly latency_ms: number | null;
}

/** One small real call, which costs something. */
function Test({ name }: { readonly name: string }) {
  const api = useApi();
  const [result, setResult] = useState<TestResult | undefined>(undefined);
  const action = useAction(async () => {
    setResult(await api.send<TestResult>("POST", `${pathOf("deployments", name)}/test`));
  });
  return (
    <>
      <Asked
        label="Test …"
        question={`Send ${name} one small real call, and pay for it?`}
        submit="Test it"
        action={action}
      />
      {result && (
        <span role="status">
          {result.outcome.replaceAll("_", " ")}
          {result.latency_ms !== null && ` in ${duration(result.latency_ms / 1000)}`}
        </span>
      )}
    </>
  );
}
