import path from "node:path";
import { loadApp } from "../../local/host/load-app.ts";
import { silentLog } from "../local/host/functions.ts";

export interface Route {
  readonly method: string;
  /** From the root, with its parameters in braces. */
  readonly route: string;
  readonly who: "anyone" | "tenants" | "operators";
}

/** The only routes that ask for no credential. */
const OPEN = new Set(["api/health", "api/openapi.json"]);
/** What answers wherever there is no route, and the console's files: neither is of the contract. */
const NOT_OF_THE_CONTRACT = new Set(["{*path}", "console/{*path}"]);

/** Enough to load: nothing is connected to before the first request. */
const CLIENTS = {
  SERVICEBUS:
    "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=k;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;",
  COSMOS: "AccountEndpoint=http://127.0.0.1:1/;AccountKey=AAAA;",
};

/** They are the process's, which starts stacks of its own too: what they were before is put back. */
async function withSettings<T>(
  settings: Readonly<Record<string, string>>,
  work: () => Promise<T>,
): Promise<T> {
  const before = { ...process.env };
  Object.assign(process.env, settings);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(settings)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}

/** Every HTTP route the built app registers, as a host finds them: a new one is in this list by itself. */
export function registeredRoutes(): Promise<Route[]> {
  // A process can load the app once: a second import registers nothing.
  found ??= find();
  return found;
}
let found: Promise<Route[]> | undefined;

async function find(): Promise<Route[]> {
  const registry = await withSettings(CLIENTS, () =>
    loadApp(path.resolve(import.meta.dirname, "../.."), silentLog),
  );
  return [...registry.functions.values()]
    .filter(
      ({ trigger }) => trigger.type === "httpTrigger" && !NOT_OF_THE_CONTRACT.has(String(trigger.route)),
    )
    .flatMap(({ trigger }) => {
      const route = String(trigger.route);
      const who = OPEN.has(route) ? "anyone" : route.startsWith("api/ops/") ? "operators" : "tenants";
      return (trigger.methods as string[]).map((method): Route => ({ method, route, who }));
    });
}
