import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { OpenAI } from "openai";
import { Problem } from "../../shared/errors.ts";
import { jobRoutes } from "../../shared/http/api/jobs.ts";
import type { ApiDeps } from "../../shared/http/api/routes.ts";
import { apiDoor } from "../../shared/http/api/routes.ts";
import { submitRoute } from "../../shared/http/api/submit.ts";
import { type OpenaiDeps, openaiDoor, openaiRoutes } from "../../shared/http/openai/routes.ts";
import type { HttpRequest } from "../../shared/http/request.ts";
import type { Route } from "../../shared/http/route.ts";
import { type Entrance, serve } from "../../shared/http/serve.ts";
import { createThrottle } from "../../shared/http/throttle.ts";
import type { LogFields } from "../../shared/log.ts";
import type { ServicePorts } from "../../shared/service.ts";
import type { JobKey } from "../../shared/store.ts";
import type { Instance, World } from "../shared/world.ts";

const OPERATOR = { id: "ops", key_sha256: [], entra_roles: [], entra_scopes: [] };
type Deps = ApiDeps & OpenaiDeps & Entrance;

/**
 * Both doors of one instance, over HTTP, served from the test's own process: its clock is turned by hand, and a client
 * that leaves is noticed as the app notices it.
 */
export class DoorHere {
  readonly world: World;
  readonly instance: Instance;
  /** What was asked: method and path. */
  readonly asked: string[] = [];
  /** Clients that have left before their answer. */
  left = 0;
  readonly logged: ({ readonly event: string } & LogFields)[] = [];
  readonly #deps: Deps;
  #server: Server | undefined;

  constructor(world: World, name = "one", change: Partial<Omit<ServicePorts, "clock">> = {}) {
    this.world = world;
    // Ids as the app makes them: they stand in paths.
    this.instance = world.instance(name, { newId: randomUUID, ...change });
    const throttle = createThrottle({
      ...{ maxHeld: 100, maxInFlight: 100, maxBodyBytes: 2 ** 24, submitsPerSecond: 0, clock: world.clock },
    });
    const authenticator: Entrance["authenticator"] = {
      recognise: () => undefined,
      authenticate: async (headers) => {
        const bearer = /^Bearer (.*)$/.exec(headers.get("authorization") ?? "")?.[1];
        const id = bearer ?? headers.get("api-key") ?? undefined;
        if (id === undefined) throw new Problem("missing_credential", "No credential was sent.");
        if (id === "operator") return { kind: "operator", operator: OPERATOR, actor: "ops/key:0" };
        const tenant = world.tenants.get(id);
        if (tenant === undefined) throw new Problem("invalid_credential", "Nobody has this key.");
        return { kind: "tenant", tenant, actor: `${id}/key:0` };
      },
    };
    this.#deps = { ...this.instance.service, throttle, authenticator, dependencies: [] } as unknown as Deps;
  }

  async start(): Promise<void> {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    await new Promise<void>((resolve) => this.#server?.listen(0, "127.0.0.1", resolve));
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  get url(): string {
    const address = this.#server?.address() as AddressInfo | undefined;
    if (address === undefined) throw new Error("start the door first");
    return `http://127.0.0.1:${address.port}`;
  }

  client(options: ConstructorParameters<typeof OpenAI>[0] = {}): OpenAI {
    return new OpenAI({ baseURL: `${this.url}/openai/v1`, apiKey: "team-a", maxRetries: 0, ...options });
  }

  /** The newest job of a tenant. */
  async newest(tenantId = "team-a"): Promise<JobKey> {
    const { jobs } = await this.world.ports.store.list(tenantId, { limit: 1 });
    const [job] = jobs;
    if (job === undefined) throw new Error("there is no job");
    return { tenant_id: job.tenant_id, job_id: job.job_id };
  }

  /** Delivers what is due to this instance, as its worker. */
  deliver(to = this.instance): void {
    const { nudges, releases, clock } = this.world;
    for (const nudge of [...nudges.take(clock.now()), ...releases.take(clock.now())]) void to.run(nudge);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
    this.asked.push(`${request.method} ${pathname}`);
    response.once("close", () => {
      if (!response.writableFinished) this.left++;
    });
    const { route, params } = routeOf(request.method ?? "", pathname);
    const sent: HttpRequest = {
      ...{ method: request.method ?? "GET", url: `${this.url}${request.url}`, body: null, params },
      headers: new Headers(request.headers as Record<string, string>),
      arrayBuffer: async () => new Uint8Array(Buffer.concat(chunks)).buffer,
    };
    const door = pathname.startsWith("/api/") ? apiDoor : openaiDoor;
    const tell = (event: string, fields?: LogFields) => void this.logged.push({ event, ...fields });
    const answered = await serve(door, route, this.#deps, sent, {
      log: { info: tell, warn: tell, error: tell },
      requestId: `r-${this.asked.length}`,
      onLeft: (run) => {
        const closed = () => void (response.writableFinished || run());
        response.once("close", closed);
        return () => response.off("close", closed);
      },
    });
    response.writeHead(answered.status, answered.headers);
    const { body = [] } = answered;
    // As the functions library does: it writes to whoever has left too.
    for await (const part of typeof body === "string" ? [body] : body) response.write(part);
    response.end();
  }
}

const ROUTES = [...openaiRoutes, submitRoute, ...jobRoutes] as readonly Route<Deps>[];

function routeOf(method: string, pathname: string): { route: Route<Deps>; params: Record<string, string> } {
  for (const route of ROUTES) {
    const pattern = new RegExp(`^/${route.path.replaceAll(/\{\*?(\w+)\}/g, "(?<$1>[^/]+)")}$`);
    const found = route.method === method ? pattern.exec(pathname) : null;
    if (found !== null) return { route, params: { ...found.groups } };
  }
  throw new Error(`no route ${method} ${pathname}`);
}
