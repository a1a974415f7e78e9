import type { Binding, RegisteredFunction } from "../../../local/host/core-api.ts";

/** A registered function as the host sees it, for tests that need no app. */
export function fakeFunction(name: string, trigger: Partial<Binding>): RegisteredFunction {
  const binding: Binding = { type: "httpTrigger", direction: "in", ...trigger };
  return {
    name,
    metadata: { name, bindings: { t: binding } },
    triggerName: "t",
    trigger: binding,
    callback: () => undefined,
  };
}

export const silentLog = { write: () => undefined, flush: () => undefined };
