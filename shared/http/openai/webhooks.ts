import { z } from "zod";
import { Problem } from "../../errors.ts";
import { EVENT_TYPES } from "../../event-type.ts";
import { DEFAULT_LIST_LIMIT, MAX_LIST_LIMIT, MAX_OPS_BODY_BYTES } from "../../limits.ts";
import type { Endpoint } from "../../webhook/endpoint.ts";
import {
  createEndpoint,
  deleteEndpoint,
  endpointOf,
  endpointsOf,
  type ManageDeps,
  rotateEndpoint,
  testEndpoint,
  updateEndpoint,
} from "../../webhook/manage.ts";
import { json } from "../answer.ts";
import { secondsOf, text, unixTime, whole } from "../api/fields.ts";
import { listSchema, pageOf, pageSchema } from "../api/page.ts";
import { limit } from "../api/parameters.ts";
import { invalidRequest } from "../input.ts";
import { type Route, route } from "../route.ts";
import { atPaths } from "./paths.ts";

export interface WebhookRoutesDeps {
  readonly webhooks: ManageDeps;
}

const MAX_NAME_CHARS = 128;
const eventType = z.enum(EVENT_TYPES, `must be one of ${EVENT_TYPES.join(", ")}`);
const fields = {
  name: z.string().min(1).max(MAX_NAME_CHARS).describe("For people."),
  url: z.string().describe("Where events are sent: https, port 443, a public address."),
  event_types: z
    .array(eventType)
    .min(1)
    .transform((types) => [...new Set(types)])
    .describe("What is sent there."),
};
const endpointSchema = z
  .object({
    id: text("`whe_` and 32 hex digits."),
    object: z.literal("webhook_endpoint"),
    created_at: unixTime(),
    updated_at: unixTime("Of its last change; a test changes nothing."),
    name: text("For people."),
    url: text("Where events are sent."),
    event_types: z.array(z.enum(EVENT_TYPES)).describe("What is sent there."),
    signing_secret_hint: text("The end of its secret."),
  })
  .meta({ id: "WebhookEndpoint", title: "A webhook endpoint" });
const withSecretSchema = endpointSchema
  .extend({ signing_secret: text("Shown this once: `whsec_` and base64, as Standard Webhooks has it.") })
  .meta({ id: "WebhookEndpointWithSecret", title: "A webhook endpoint and its new secret" });

const DISABLED = "x-switchyard-disabled";
const HEADERS = { [DISABLED]: "`gone` or `failing`, where nothing is sent there until it is updated." };

function resourceOf(endpoint: Endpoint): z.input<typeof endpointSchema> {
  const { id, name, url, event_types, secret_hint, created_at_ms, updated_at_ms } = endpoint;
  return {
    ...{ id, object: "webhook_endpoint", created_at: secondsOf(created_at_ms) },
    ...{ updated_at: secondsOf(updated_at_ms), name, url, event_types: [...event_types] },
    signing_secret_hint: secret_hint,
  };
}

const disabledHeader = ({ disabled }: Endpoint): Record<string, string> =>
  disabled === undefined ? {} : { [DISABLED]: disabled.reason };

const inPath = {
  schema: z.object({
    id: z
      .string()
      .regex(/^whe_[0-9a-f]{32}$/, "There is no such webhook endpoint: an id is `whe_` and 32 hex digits."),
  }),
  absent: "webhook_endpoint_not_found",
} as const;

async function refuseUrl({ webhooks }: WebhookRoutesDeps, url: string | undefined): Promise<void> {
  const fault = url === undefined ? undefined : await webhooks.sender.fault(url);
  if (fault !== undefined) throw invalidRequest([{ path: "/url", message: fault }]);
}

const create = route({
  ...{ name: "create-webhook-endpoint", method: "POST", path: "webhook_endpoints", who: "tenant" },
  summary: "Make a webhook endpoint; its secret is shown this once",
  body: { schema: z.strictObject(fields), maxBytes: MAX_OPS_BODY_BYTES },
  answers: { 200: { description: "The endpoint.", schema: withSecretSchema } },
  errors: ["too_many_webhook_endpoints"],
  handle: async (deps: WebhookRoutesDeps, { body }, { tenant }) => {
    await refuseUrl(deps, body.url);
    const { endpoint, secret } = await createEndpoint(deps.webhooks, tenant.id, body);
    return json(200, { ...resourceOf(endpoint), signing_secret: secret });
  },
});

const list = route({
  ...{ name: "list-webhook-endpoints", method: "GET", path: "webhook_endpoints", who: "tenant" },
  summary: "List webhook endpoints, newest first",
  query: z.object({
    limit: limit.default(DEFAULT_LIST_LIMIT).describe(`How many, 1 to ${MAX_LIST_LIMIT}.`),
    after: z.string().optional().describe("The id of the last one of the page before."),
  }),
  answers: { 200: { description: "A page.", schema: pageSchema(endpointSchema) } },
  handle: async ({ webhooks }: WebhookRoutesDeps, { query }, { tenant }) => {
    const all = await endpointsOf(webhooks, tenant.id);
    const from = query.after === undefined ? 0 : all.findIndex(({ id }) => id === query.after) + 1;
    if (query.after !== undefined && from === 0)
      throw invalidRequest([{ path: "after", message: "must be the id of an endpoint of this tenant" }]);
    const page = all.slice(from, from + query.limit);
    return json(200, pageOf(page.map(resourceOf), from + query.limit < all.length));
  },
});

const get = route({
  ...{ name: "get-webhook-endpoint", method: "GET", path: "webhook_endpoints/{id}", who: "tenant" },
  summary: "One webhook endpoint",
  params: inPath,
  answers: { 200: { description: "The endpoint.", schema: endpointSchema, headers: HEADERS } },
  errors: ["webhook_endpoint_not_found"],
  handle: async ({ webhooks }: WebhookRoutesDeps, { path }, { tenant }) => {
    const endpoint = await endpointOf(webhooks, tenant.id, path.id);
    return json(200, resourceOf(endpoint), disabledHeader(endpoint));
  },
});

const update = route({
  ...{ name: "update-webhook-endpoint", method: "POST", path: "webhook_endpoints/{id}", who: "tenant" },
  summary: "Change a webhook endpoint; one that was disabled is in use again",
  params: inPath,
  body: { schema: z.strictObject(fields).partial(), maxBytes: MAX_OPS_BODY_BYTES },
  answers: { 200: { description: "The endpoint.", schema: endpointSchema } },
  errors: ["webhook_endpoint_not_found"],
  handle: async (deps: WebhookRoutesDeps, { path, body }, { tenant }) => {
    await refuseUrl(deps, body.url);
    return json(200, resourceOf(await updateEndpoint(deps.webhooks, tenant.id, path.id, body)));
  },
});

const remove = route({
  ...{ name: "delete-webhook-endpoint", method: "DELETE", path: "webhook_endpoints/{id}", who: "tenant" },
  summary: "Delete a webhook endpoint; what waits to be delivered there fails",
  params: inPath,
  answers: {
    200: {
      description: "It is deleted.",
      schema: z.object({
        id: text("Its id."),
        object: z.literal("webhook_endpoint.deleted"),
        deleted: z.literal(true),
      }),
    },
  },
  errors: ["webhook_endpoint_not_found"],
  handle: async ({ webhooks }: WebhookRoutesDeps, { path: { id } }, { tenant }) => {
    await deleteEndpoint(webhooks, tenant.id, id);
    return json(200, { id, object: "webhook_endpoint.deleted", deleted: true });
  },
});

const rotate = route({
  ...{
    name: "rotate-webhook-secret",
    method: "POST",
    path: "webhook_endpoints/{id}/rotate_secret",
    who: "tenant",
  },
  summary: "Give a webhook endpoint a new secret, shown this once",
  params: inPath,
  body: {
    schema: z.strictObject({
      keep_old_secret_active_for_24_hours: z
        .boolean()
        .default(false)
        .describe("Whether deliveries are signed with both secrets for a day."),
    }),
    maxBytes: MAX_OPS_BODY_BYTES,
  },
  answers: { 200: { description: "The endpoint.", schema: withSecretSchema } },
  errors: ["webhook_endpoint_not_found"],
  handle: async ({ webhooks }: WebhookRoutesDeps, { path, body }, { tenant }) => {
    const keepOld = body.keep_old_secret_active_for_24_hours;
    const { endpoint, secret } = await rotateEndpoint(webhooks, tenant.id, path.id, keepOld);
    return json(200, { ...resourceOf(endpoint), signing_secret: secret });
  },
});

const test = route({
  ...{ name: "test-webhook-endpoint", method: "POST", path: "webhook_endpoints/{id}/test", who: "tenant" },
  summary: "Send a made-up event to a webhook endpoint, once and at once",
  params: inPath,
  body: { schema: z.strictObject({ event_type: eventType }), maxBytes: MAX_OPS_BODY_BYTES },
  answers: {
    200: {
      description: "It answered.",
      schema: z.object({
        object: z.literal("webhook_endpoint.test"),
        event_type: z.enum(EVENT_TYPES),
        status_code: whole("Of the endpoint's answer: 2xx is a success."),
        success: z.literal(true),
        webhook_endpoint_id: text("The endpoint."),
      }),
    },
  },
  errors: ["webhook_endpoint_not_found", "webhook_not_reached"],
  handle: async ({ webhooks }: WebhookRoutesDeps, { path: { id }, body }, { tenant }) => {
    const { event_type } = body;
    const { status_code, error } = await testEndpoint(webhooks, tenant.id, id, event_type);
    if (status_code === null) throw new Problem("webhook_not_reached", `No answer came from it: ${error}.`);
    const success = { status_code, success: true, webhook_endpoint_id: id };
    return json(200, { object: "webhook_endpoint.test", event_type, ...success });
  },
});

const eventTypes = route({
  ...{ name: "list-webhook-event-types", method: "GET", path: "webhook_event_types", who: "tenant" },
  summary: "The events that webhooks can tell of",
  answers: { 200: { description: "Their names.", schema: listSchema(z.enum(EVENT_TYPES)) } },
  handle: async () => json(200, { object: "list", data: EVENT_TYPES }),
});

export const webhookRoutes: readonly Route<WebhookRoutesDeps>[] = [
  ...[create, list, get, update, remove, rotate, test, eventTypes].flatMap((each) => atPaths(each)),
];
