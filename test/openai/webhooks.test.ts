import { spawn } from "node:child_process";
import { once } from "node:events";
import type { OpenAI } from "openai";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, it } from "vitest";
import { chat } from "../end-to-end/stack.ts";
import { Receiver } from "../shared/webhook/receiver.ts";
import { Door } from "./door.ts";

/** Webhooks as a user of OpenAI's SDK has them: endpoints by its own calls, events verified by it and by another package. */
const door = new Door();
const receiver = new Receiver();
let client: OpenAI;

beforeAll(async () => {
  await Promise.all([receiver.start(), door.start()]);
  client = door.client();
});
afterAll(async () => {
  await door.stop();
  await receiver.stop();
});

const submitted = async () => {
  const { json } = await door.stack.submit(chat("Tell me when it is done."));
  return String(json.id);
};
const arrived = (path: string, count: number) => expect.poll(() => receiver.at(path).length).toBe(count);
/** What the SDK and the other package both say was sent. */
const verified = async (path: string, n: number, secret: string) => {
  const { body, headers } = receiver.at(path)[n] ?? { body: "", headers: {} };
  const event = await client.webhooks.unwrap(body, headers as Record<string, string>, secret);
  expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toEqual(event);
  return event as unknown as { readonly type: string; readonly data: { readonly id: string } };
};

it("makes, lists, changes, tests, rotates and deletes endpoints, and verifies what they are sent", {
  tags: ["long"],
}, async () => {
  const types = (await client.webhooks.eventTypes.list()).data;
  expect(types).toEqual(expect.arrayContaining(["job.completed", "response.completed", "batch.expired"]));
  // Ours are not in the SDK's types.
  const event_types = ["job.completed", "response.completed"] as never;
  const made = await client.webhooks.create({ name: "mine", url: receiver.url("/a"), event_types });
  expect(made).toMatchObject({
    object: "webhook_endpoint",
    signing_secret: expect.stringMatching(/^whsec_/),
  });
  expect(made.signing_secret_hint).toBe(`whsec_...${made.signing_secret.slice(-4)}`);

  const first = await submitted();
  await arrived("/a", 1);
  expect(await verified("/a", 0, made.signing_secret)).toMatchObject({
    type: "job.completed",
    data: { id: first },
  });

  const second = await client.webhooks.rotateSecret(made.id, { keep_old_secret_active_for_24_hours: true });
  await submitted();
  await arrived("/a", 2);
  for (const secret of [made.signing_secret, second.signing_secret]) await verified("/a", 1, secret);
  const third = await client.webhooks.rotateSecret(made.id);
  await submitted();
  await arrived("/a", 3);
  await verified("/a", 2, third.signing_secret);
  await expect(verified("/a", 2, second.signing_secret)).rejects.toThrow(/signature/);

  const tested = await client.webhooks.test(made.id, { event_type: "batch.completed" });
  expect(tested).toMatchObject({ object: "webhook_endpoint.test", status_code: 204, success: true });
  expect(await verified("/a", 3, third.signing_secret)).toMatchObject({ type: "batch.completed" });

  const moved = await client.webhooks.update(made.id, { url: receiver.url("/b"), name: "moved" });
  expect(moved).toMatchObject({ id: made.id, name: "moved", url: receiver.url("/b") });
  expect(await client.webhooks.retrieve(made.id)).toEqual(moved);
  const other = await client.webhooks.create({ name: "other", url: receiver.url("/c"), event_types });
  const names: string[] = [];
  for await (const { name } of client.webhooks.list({ limit: 1 })) names.push(name);
  expect(names).toEqual(["other", "moved"]);
  expect(await client.webhooks.delete(other.id)).toEqual({
    ...{ id: other.id, object: "webhook_endpoint.deleted", deleted: true },
  });

  // A background response is told of by its own id, one whose client waits for it not at all.
  await client.responses.create({ model: "gpt-sim", input: "Hi" });
  const { id } = await client.responses.create({ model: "gpt-sim", input: "Hi", background: true });
  await arrived("/b", 1);
  const event = await verified("/b", 0, third.signing_secret);
  expect(event).toMatchObject({ type: "response.completed", data: { id } });
  expect((await client.responses.retrieve(event.data.id)).output_text).toMatch(/\w/);

  // What is not taken at first comes again, with the same id, and is verified all the same.
  receiver.answer("/b", 503);
  const late = await submitted();
  await arrived("/b", 2);
  receiver.answer("/b", undefined);
  await arrived("/b", 3);
  expect(await verified("/b", 2, third.signing_secret)).toMatchObject({ data: { id: late } });
  const [, ...ids] = receiver.at("/b").map(({ headers }) => headers["webhook-id"]);
  expect(ids[0]).toBe(ids[1]);
  const route = `/api/webhooks/deliveries?endpoint=${made.id}&status=delivered`;
  await expect.poll(async () => (await door.stack.call(route)).json.data.length).toBe(5);
  const [newest] = (await door.stack.call(route)).json.data;
  expect(newest.attempts).toMatchObject([{ status_code: 503 }, { status_code: 204 }]);
  const again = await door.stack.call(`/api/webhooks/deliveries/${newest.id}/redeliver`, { method: "POST" });
  expect(again.status).toBe(202);
  await arrived("/b", 4);
  expect((await door.stack.call("/api/webhooks/endpoints")).json.data).toMatchObject([{ state: "working" }]);
});

it("the example takes what it is told of, and asks for the answer", { tags: ["long"] }, async () => {
  const env = { ...process.env, SERVICE_URL: door.stack.url, API_KEY: "local-team-b" };
  const example = spawn(process.execPath, ["examples/webhook-receiver.ts"], { env });
  let output = "";
  example.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const said = (what: RegExp) => expect.poll(() => output).toMatch(what);
  await said(/listens at http/);
  const { json } = await door.stack.submit(chat("Say something."), { key: "local-team-b" });
  await said(new RegExp(`job.completed ${json.id}\n.+`));
  const ended = once(example, "exit");
  example.kill("SIGINT");
  await ended;
  expect((await door.client({ apiKey: "local-team-b" }).webhooks.list()).data).toEqual([]);
});

it("refuses what cannot be an endpoint, and what is another tenant's", { tags: ["long"] }, async () => {
  const event_types = ["batch.completed" as const];
  const create = (url: string) => client.webhooks.create({ name: "n", url, event_types });
  for (const url of ["https://10.0.0.1/", "https://169.254.169.254/", "http://example.com/", "nowhere"])
    await expect(create(url)).rejects.toMatchObject({ status: 400, param: "url" });
  const [mine] = (await client.webhooks.list()).data;
  const stranger = door.client({ apiKey: "local-team-b" });
  const id = mine?.id ?? "";
  for (const call of [
    () => stranger.webhooks.retrieve(id),
    () => stranger.webhooks.delete(id),
    () => stranger.webhooks.rotateSecret(id),
    () => stranger.webhooks.test(id, { event_type: "batch.completed" }),
  ])
    await expect(call()).rejects.toMatchObject({ status: 404, code: "webhook_endpoint_not_found" });
  expect((await stranger.webhooks.list()).data).toEqual([]);
  const deliveries = await door.stack.call(`/api/webhooks/deliveries?endpoint=${id}`, {
    key: "local-team-b",
  });
  expect(deliveries.json.data).toEqual([]);
  for (let n = 0; n < 7; n++) await create(receiver.url(`/${n}`));
  await expect(create(receiver.url("/8"))).rejects.toMatchObject({
    ...{ status: 409, code: "too_many_webhook_endpoints" },
  });
});
