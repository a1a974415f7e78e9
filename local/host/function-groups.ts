import { type Env, resolveSettings } from "./app-settings.ts";
import type { RegisteredFunction } from "./core-api.ts";
import type { HostConfig } from "./host-json.ts";

/** All HTTP functions of an app scale together on Flex Consumption. */
export const HTTP_GROUP = "http";

/** The group a function scales with, under its name in `FUNCTIONS_TARGET_GROUP`: every other function alone. */
export function groupOf(fn: RegisteredFunction): string {
  return fn.trigger.type.toLowerCase() === "httptrigger" ? HTTP_GROUP : `function:${fn.name}`;
}

/**
 * The functions whose triggers this process listens to: every process loads the whole app, and with a
 * `FUNCTIONS_TARGET_GROUP` those of other groups are never started. HTTP has no trigger to start: every process
 * serves it, and the platform sends requests to those of its group alone.
 */
export function targeted(
  functions: readonly RegisteredFunction[],
  target: string | undefined,
): readonly RegisteredFunction[] {
  if (target === undefined || target === "") return functions;
  return functions.filter((fn) => groupOf(fn).toLowerCase() === target.toLowerCase());
}

/** What a group waits for, for whoever starts its processes. */
export type Source =
  | { readonly kind: "http" }
  | {
      readonly kind: "queue";
      readonly queue: string;
      readonly deadLetters: boolean;
      /** Of each process. */
      readonly maxConcurrentCalls: number;
    }
  | { readonly kind: "timer"; readonly name: string }
  /** A topic or a change feed: how much there is to do is not asked. */
  | { readonly kind: "other" };

export interface FunctionGroup {
  readonly name: string;
  readonly source: Source;
}

/** The groups of an app, HTTP first. */
export function groupsOf(
  functions: readonly RegisteredFunction[],
  { maxConcurrentCalls }: HostConfig["serviceBus"],
  env: Env,
): FunctionGroup[] {
  const groups = new Map<string, FunctionGroup>();
  for (const fn of functions) {
    const name = groupOf(fn);
    groups.set(name, { name, source: sourceOf(fn, maxConcurrentCalls, env) });
  }
  return [...groups.values()].sort((a, b) => Number(b.name === HTTP_GROUP) - Number(a.name === HTTP_GROUP));
}

function sourceOf(fn: RegisteredFunction, maxConcurrentCalls: number, env: Env): Source {
  const { type, queueName } = fn.trigger;
  switch (type.toLowerCase()) {
    case "httptrigger":
      return { kind: "http" };
    case "timertrigger":
      return { kind: "timer", name: fn.name };
    case "servicebustrigger": {
      if (typeof queueName !== "string") return { kind: "other" };
      const queue = resolveSettings(queueName, env);
      const main = queue.replace(/\/\$deadletterqueue$/i, "");
      return { kind: "queue", queue: main, deadLetters: main !== queue, maxConcurrentCalls };
    }
    default:
      return { kind: "other" };
  }
}
