import type { HttpRequest, HttpResponseInit } from "@azure/functions";
import {
  type Change,
  type ChangeDeps,
  changeOverrides,
  type Setting,
} from "../shared/control/change-overrides.ts";
import type { OverridesStore, OverridesWatch } from "../shared/control/watch-overrides.ts";
import { Problem } from "../shared/errors.ts";
import { parseOpsBody } from "../shared/http/api/ops-body.ts";
import {
  checkNamed,
  checkWeights,
  limitsBody,
  notFound,
  overridesJson,
  routeWeightsBody,
  switchBody,
  switchKindOf,
  tenantWeightBody,
} from "../shared/http/api/overrides-json.ts";
import type { Authenticator } from "../shared/http/authenticate.ts";
import type { Catalogue } from "../shared/model/catalogue.ts";
import type { Tenants } from "../shared/tenant/tenants.ts";
import { type OperatorCaller, operatorRoute } from "./http.ts";

export interface OpsOverridesDeps extends ChangeDeps {
  readonly authenticator: Authenticator;
  readonly catalogue: () => Catalogue;
  readonly tenants: () => Tenants;
  readonly store: OverridesStore;
  readonly watch: OverridesWatch;
  readonly newChangeId: () => string;
}

/** A change as a request asks for it: checked, but not yet made. */
interface Asked {
  readonly setting: Setting;
  readonly reason: string | null;
}

/**
 * GET /api/ops/switches: all that operators have set over the files.
 * PUT and DELETE /api/ops/switches/{kind}/{name}, /api/ops/limits/{deployment}, /api/ops/weights/routes/{route} and
 * /api/ops/weights/tenants/{tenant}: set one thing, or take it back.
 */
export function registerOpsOverrides(deps: OpsOverridesDeps): void {
  const get = { name: "ops-get-switches", method: "GET", route: "ops/switches" } as const;
  operatorRoute(deps.authenticator, get, async () => {
    const found = await deps.store.readOverrides(undefined);
    if (found === "unchanged") throw new TypeError("a read without an etag is never unchanged");
    return answer(overridesJson(found.overrides));
  });

  changes(deps, "switch", "switches/{kind}/{*name}", {
    put: async (request) => {
      const { kind, name } = switchNamed(request);
      const { state, mode, reason } = await bodyOf(request, switchBody);
      if (state !== "on") checkNamed(deps.catalogue(), kind, name);
      if (kind === "route" && mode === "fail_over") throw routeCannotFailOver();
      const value =
        state === "on" ? undefined : { state, mode: mode ?? (kind === "route" ? "park" : "fail_over") };
      return { setting: { list: "switches", kind, name, value }, reason: reason ?? null };
    },
    remove: (request) => ({ list: "switches", ...switchNamed(request), value: undefined }),
  });
  changes(deps, "limits", "limits/{*name}", {
    put: async (request) => {
      const name = nameOf(request);
      const { reason, ...limits } = await bodyOf(request, limitsBody);
      checkNamed(deps.catalogue(), "deployment", name);
      return { setting: { list: "limits", name, value: limits }, reason: reason ?? null };
    },
    remove: (request) => ({ list: "limits", name: nameOf(request), value: undefined }),
  });
  changes(deps, "route-weights", "weights/routes/{*name}", {
    put: async (request) => {
      const name = nameOf(request);
      const { reason, weights } = await bodyOf(request, routeWeightsBody);
      checkWeights(deps.catalogue(), name, weights);
      return { setting: { list: "route_weights", name, value: weights }, reason: reason ?? null };
    },
    remove: (request) => ({ list: "route_weights", name: nameOf(request), value: undefined }),
  });
  changes(deps, "tenant-weight", "weights/tenants/{name}", {
    put: async (request) => {
      const name = nameOf(request);
      const { reason, weight } = await bodyOf(request, tenantWeightBody);
      if (deps.tenants().get(name) === undefined) throw notFound(`There is no tenant ${name}.`);
      return { setting: { list: "tenant_weights", name, value: weight }, reason: reason ?? null };
    },
    remove: (request) => ({ list: "tenant_weights", name: nameOf(request), value: undefined }),
  });
}

function changes(
  deps: OpsOverridesDeps,
  what: string,
  route: string,
  asked: {
    readonly put: (request: HttpRequest) => Promise<Asked>;
    readonly remove: (request: HttpRequest) => Setting;
  },
): void {
  const path = `ops/${route}` as const;
  const put = { name: `ops-put-${what}`, method: "PUT", route: path } as const;
  operatorRoute(deps.authenticator, put, async (request, caller) =>
    make(deps, request, caller, await asked.put(request)),
  );
  const remove = { name: `ops-delete-${what}`, method: "DELETE", route: path } as const;
  operatorRoute(deps.authenticator, remove, async (request, caller) =>
    make(deps, request, caller, { setting: asked.remove(request), reason: null }),
  );
}

/** A key names the change within its route: the same key on another route is another change. */
async function make(
  deps: OpsOverridesDeps,
  request: HttpRequest,
  caller: OperatorCaller,
  { setting, reason }: Asked,
): Promise<HttpResponseInit> {
  const key = request.headers.get("idempotency-key");
  const by: Change = {
    changeId: key === null ? deps.newChangeId() : `${request.method} ${new URL(request.url).pathname} ${key}`,
    actor: caller.actor,
    reason,
  };
  const outcome = await changeOverrides(deps, setting, by);
  // This instance knows at once, the others within their next look.
  await deps.watch.look();
  const changed = outcome.kind === "changed" && !outcome.repeated;
  return answer({ ...overridesJson(deps.watch.current()), changed });
}

function answer(jsonBody: object): HttpResponseInit {
  return { status: 200, jsonBody, headers: { "cache-control": "no-store" } };
}

async function bodyOf<S extends Parameters<typeof parseOpsBody>[0]>(request: HttpRequest, schema: S) {
  const bytes = new Uint8Array(await request.arrayBuffer());
  return parseOpsBody(schema, bytes, request.headers) as ReturnType<S["parse"]>;
}

function switchNamed(request: HttpRequest) {
  return { kind: switchKindOf(request.params.kind ?? ""), name: nameOf(request) };
}

/** Names may hold slashes, which a client may have encoded. */
function nameOf(request: HttpRequest): string {
  try {
    return decodeURIComponent(request.params.name ?? "");
  } catch {
    throw notFound("The name in the path is not well encoded.");
  }
}

function routeCannotFailOver(): Problem {
  return new Problem("invalid_request", "One fault was found.", {
    faults: [{ path: "/mode", message: "must be park: a route has nothing to fail over to" }],
  });
}
