import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { OpenAI } from "openai";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openaiDoor, openaiRoutes } from "../../shared/http/openai/routes.ts";
import type { HttpRequest } from "../../shared/http/request.ts";
import type { Route } from "../../shared/http/route.ts";
import { type Entrance, serve } from "../../shared/http/serve.ts";
import { createThrottle } from "../../shared/http/throttle.ts";
import type { Service } from "../../shared/service.ts";
import { answer, completion } from "../shared/labs.ts";
import { type Instance, silent, World } from "../shared/world.ts";
import { says } from "./door.ts";

/**
 * Calls of minutes, through the real SDK, over HTTP, with the service's clock turned by hand: the app's routes are
 * served from this process.
 */
let world: World;
let server: Server;
let instance: Instance;
const asked: string[] = [];

beforeAll(async () => {
  world = await World.open();
  // Ids as the app makes them: they stand in paths.
  instance = world.instance("one", { newId: randomUUID });
  const { service } = instance;
  const throttle = createThrottle({
    ...{ maxHeld: 100, maxInFlight: 100, maxBodyBytes: 2 ** 24, submitsPerSecond: 0, clock: world.clock },
  });
  const tenant = world.tenants.get("team-a");
  if (tenant === undefined) throw new Error("no tenant");
  const authenticator: Entrance["authenticator"] = {
    recognise: () => undefined,
    authenticate: async () => ({ kind: "tenant", tenant, actor: "team-a/key:0" }),
  };
  const deps = { ...service, throttle, authenticator };
  server = createServer((request, response) => void served(deps, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await world.close();
});

async function served(
  deps: Service & Entrance & { throttle: ReturnType<typeof createThrottle> },
  request: Parameters<Parameters<typeof createServer>[1] & object>[0],
  response: Parameters<Parameters<typeof createServer>[1] & object>[1],
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
  asked.push(`${request.method} ${pathname}`);
  const id = /^\/openai\/v1\/waits\/(.*)$/.exec(pathname)?.[1];
  const path = id === undefined ? pathname.slice(1) : "openai/v1/waits/{id}";
  const route = openaiRoutes.find((each) => each.path === path) as Route<typeof deps> | undefined;
  if (route === undefined) throw new Error(`no route ${path}`);
  const sent: HttpRequest = {
    ...{ method: request.method ?? "GET", url: `http://127.0.0.1${request.url}`, body: null },
    headers: new Headers(request.headers as Record<string, string>),
    params: id === undefined ? {} : { id },
    arrayBuffer: async () => new Uint8Array(Buffer.concat(chunks)).buffer,
  };
  const answered = await serve(openaiDoor, route, deps, sent, {
    log: silent,
    requestId: `r-${asked.length}`,
  });
  response.writeHead(answered.status, answered.headers);
  for await (const part of typeof answered.body === "string" ? [answered.body] : (answered.body ?? []))
    response.write(part);
  response.end();
}

const client = () =>
  new OpenAI({
    ...{ baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/openai/v1`, apiKey: "k" },
    maxRetries: 0,
  });

it.each([
  [5, "openai-one"],
  [9, "xai-two"],
])("a call that runs in the door for %i minutes is one job, and its answer comes", async (minutes, lab) => {
  let begun = 0;
  const calls = world.labs.calls.length;
  world.labs.reply(lab, ({ response }) => {
    begun = world.clock.now();
    const answerWhenTime = () => {
      if (world.clock.now() - begun < minutes * 60_000) return void setImmediate(answerWhenTime);
      answer(200, completion("At last."))({ response } as never);
    };
    answerWhenTime();
  });
  let text: string | null | undefined;
  const called = client()
    .chat.completions.create({ model: `${lab}-model`, messages: says("Slowly.") })
    .then((done) => {
      text = done.choices[0]?.message.content;
    });
  called.catch(() => undefined);
  await world.turnUntil(() => text !== undefined, 1_000);
  await called;
  expect(text).toBe("At last.");
  expect(world.labs.calls.length - calls).toBe(1);
  expect(world.clock.now() - begun).toBeGreaterThanOrEqual(minutes * 60_000);
});

it("a call that a worker runs is sent on every 200 s, and its answer comes in the end", async () => {
  const model = "openai-one-model";
  const calls = world.labs.calls.length;
  world.labs.reply("openai-one", answer(200, completion("Later.")));
  asked.length = 0;
  const notBefore = Math.floor(world.clock.now() / 1000) + 450;
  let text: string | null | undefined;
  const called = client()
    .chat.completions.create(
      { model, messages: says("Later, please.") },
      { headers: { "x-switchyard-not-before": String(notBefore) } },
    )
    .then((done) => {
      text = done.choices[0]?.message.content;
    });
  called.catch(() => undefined);
  await world.turnUntil(() => {
    for (const nudge of world.nudges.take(world.clock.now())) void instance.run(nudge);
    return text !== undefined;
  }, 1_000);
  await called;
  expect(text).toBe("Later.");
  expect(world.labs.calls.length - calls).toBe(1);
  const wait = expect.stringMatching(/^GET .openai.v1.waits.job_[0-9a-f]{32}$/);
  expect(asked.slice(0, 3)).toEqual(["POST /openai/v1/chat/completions", wait, wait]);
});
