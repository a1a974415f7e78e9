import type { LimitLeft, OpsDeployment, Overrides } from "../resources.ts";
import { count, duration } from "./words.ts";

/** Each lab with its deployments, by name. */
export function labsOf(
  deployments: readonly OpsDeployment[],
): readonly { readonly provider: string; readonly deployments: readonly OpsDeployment[] }[] {
  const providers = [...new Set(deployments.map(({ provider }) => provider))].sort();
  return providers.map((provider) => ({
    provider,
    deployments: deployments.filter((each) => each.provider === provider),
  }));
}

export type Switch = Overrides["switches"][number];

/** The switch that keeps calls from a deployment: its own, or its lab's; undefined: it is on. */
export function switchOf(
  switches: readonly Switch[],
  { name, provider }: Pick<OpsDeployment, "name" | "provider">,
): Switch | undefined {
  return (
    switches.find((each) => each.kind === "deployment" && each.name === name) ??
    switches.find((each) => each.kind === "provider" && each.name === provider)
  );
}

/** Why a deployment needs a look, the worst first; undefined: it does not. */
export function troubleOf(
  deployment: OpsDeployment,
  switches: readonly Switch[],
): { readonly what: string; readonly todo: string } | undefined {
  const set = switchOf(switches, deployment);
  if (set !== undefined)
    return {
      what: `${set.kind === "provider" ? "The lab" : "It"} is ${set.state === "off" ? "switched off" : "drained"}.`,
      todo: "Its jobs wait or go elsewhere until it is switched on.",
    };
  if (deployment.breaker !== "closed")
    return { what: WHAT[deployment.last_error?.illness ?? ""] ?? "Its calls fail.", todo: toDo(deployment) };
  const { quota, longest_seconds: longest } = deployment;
  if (longest !== null && longest >= LONG_CALL_SECONDS)
    return {
      what: `A call has run for ${duration(longest)}.`,
      todo: "If its calls hang, set timeout_seconds of the deployment, or switch it off: its jobs then go elsewhere.",
    };
  const { requests, tokens } = quota;
  if ([requests, tokens].some((limit) => limit !== null && limit.left !== null && limit.left < 1))
    return {
      what: "Its quota is used up.",
      todo: "Jobs wait in line for it. If that lasts, raise the quota at the lab, or add a deployment.",
    };
  return undefined;
}

/** Longer than nearly every call of a model takes. */
const LONG_CALL_SECONDS = 300;

const WHAT: Readonly<Record<string, string>> = {
  deployment_failing: "Its calls fail.",
  credential_refused: "The lab refuses our key.",
  account_empty: "Our account at the lab is empty.",
};

function toDo({ last_error }: OpsDeployment): string {
  if (last_error?.illness === "credential_refused")
    return "Give the app a valid key: the next probe finds that it works.";
  if (last_error?.illness === "account_empty") return "Pay the lab: the next probe finds that it works.";
  return "A probe tries it again by itself. Where another lab can serve its jobs, they go there.";
}

/** What is left of a limit, as far as anybody has heard. */
export function quotaWords({ per_minute, left }: LimitLeft): string {
  if (left === null) return `${count(per_minute)}; how much is left is not known yet`;
  return `${count(Math.floor(left))} of ${count(per_minute)} left`;
}
