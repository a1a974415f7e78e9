import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { type ApiDeps, apiRoutes } from "../../../../shared/http/api/routes.ts";
import { createAuthenticator } from "../../../../shared/http/authenticate.ts";
import { type OpenaiDeps, openaiRoutes } from "../../../../shared/http/openai/routes.ts";
import type { Route } from "../../../../shared/http/route.ts";
import type { Entrance } from "../../../../shared/http/serve.ts";
import { createThrottle } from "../../../../shared/http/throttle.ts";
import type { ServicePorts } from "../../../../shared/service.ts";
import { sha256Hex } from "../../../../shared/sha256.ts";
import { parseTenants } from "../../../../shared/tenant/tenants.ts";
import { checkContract } from "../../../end-to-end/contract.ts";
import { served } from "../../../openai/fetched-door.ts";
import type { Instance, World } from "../../world.ts";

/** The files' tenants: `team-a` and `team-b` with keys of their names, and an operator. */
export const TENANTS_FILE = {
  tenants: ["team-a", "team-b"].map((id) => ({ id, key_sha256: [sha256Hex(id)] })),
  operators: [{ id: "ops", key_sha256: [sha256Hex("operator")] }],
};

export function tenantsFrom(file: unknown) {
  const parsed = parseTenants(file, { local: true });
  if ("faults" in parsed) throw new Error(parsed.faults.join("; "));
  return parsed.tenants;
}

/** Both doors of an instance in the test's own process, with the app's own authentication. */
export class Operated {
  readonly instance: Instance;
  readonly fetch: typeof fetch;

  constructor(world: World, name: string, change: Partial<ServicePorts> = {}) {
    // Ids as the app makes them: the contract knows no others.
    this.instance = world.instance(name, { newId: randomUUID, ...(change as object) });
    const { service } = this.instance;
    const throttle = createThrottle({
      ...{ maxHeld: 10, maxInFlight: 50, maxBodyBytes: 2 ** 28, submitsPerSecond: 0, clock: world.clock },
    });
    const authenticator = createAuthenticator({
      ...{ tenants: service.tenants, fresh: async () => undefined, freshForTenants: service.fresh },
      ...{ used: service.keyUsed, entra: undefined, clock: world.clock },
    });
    type Deps = ApiDeps & OpenaiDeps & Entrance;
    const deps = { ...service, throttle, authenticator, dependencies: [] } as unknown as Deps;
    this.fetch = served([...apiRoutes, ...openaiRoutes] as readonly Route<Deps>[], deps);
  }

  /** One request, its answer held against the contract. */
  async call(method: string, path: string, { key = "operator", body, headers = {} }: Call = {}) {
    const answer = await this.fetch(`http://door${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = answer.headers.get("content-type")?.includes("json") === true;
    // biome-ignore lint/suspicious/noExplicitAny: what the service answers is for the test to say
    const json = (isJson ? JSON.parse(text) : undefined) as any;
    checkContract(method, path, { status: answer.status, headers: answer.headers, json });
    return { status: answer.status, text, json, headers: answer.headers };
  }

  /** The same of a call that must be answered so. */
  async ops(status: number, method: string, path: string, body?: object) {
    const answer = await this.call(method, `/api/ops/${path}`, body === undefined ? {} : { body });
    expect([answer.status, answer.text]).toEqual([status, expect.any(String)]);
    return answer.json;
  }
}

interface Call {
  readonly key?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}
