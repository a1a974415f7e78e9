import { z } from "zod";
import { EVENT_TYPES } from "../../event-type.ts";
import { DELIVERY_STATUSES, type Delivery, FAILURES } from "../../webhook/delivery.ts";
import { DISABLED_REASONS, type Endpoint } from "../../webhook/endpoint.ts";
import { endpointsOf, type ManageDeps, redeliver } from "../../webhook/manage.ts";
import { SEND_ERRORS } from "../../webhook/send.ts";
import { json } from "../answer.ts";
import { type Route, route } from "../route.ts";
import { secondsOf, text, unixTime, whole } from "./fields.ts";
import { listSchema, pageOf, pageSchema } from "./page.ts";
import { limit } from "./parameters.ts";

export interface WebhookDeliveriesDeps {
  readonly webhooks: ManageDeps;
}

const DELIVERY_ID = /^whd_[0-9a-f]{32}$/;

const deliverySchema = z
  .object({
    id: text("`whd_` and 32 hex digits."),
    endpoint: text("The endpoint's id."),
    event: z
      .object({
        id: text("What the endpoint is sent as `webhook-id`, the same at every try."),
        type: z.enum(EVENT_TYPES).describe("What happened."),
        about: text("The id of what has ended."),
        created_at: unixTime("When it ended."),
      })
      .describe("What is told."),
    status: z.enum(DELIVERY_STATUSES).describe("Whether the endpoint has taken it."),
    failure: z.enum(FAILURES).nullable().describe("Why it was given up; null: it was not."),
    next_attempt_at: unixTime("Unix time, seconds; null: it is not tried any more.").nullable(),
    attempts: z
      .array(
        z.object({
          at: unixTime(),
          status_code: whole("Of the endpoint's answer; null: none came.").nullable(),
          error: z.enum(SEND_ERRORS).nullable().describe("Why none came."),
          latency_ms: whole("How long it took."),
        }),
      )
      .describe("The last tries, the oldest first."),
  })
  .meta({ id: "WebhookDelivery", title: "A delivery: one event for one endpoint" });

function resourceOf(delivery: Delivery): z.input<typeof deliverySchema> {
  const { id, endpoint_id, event_id, event, about, at_ms, status, failure, due_ms, attempts } = delivery;
  return {
    ...{ id, endpoint: endpoint_id },
    event: { id: event_id, type: event, about, created_at: secondsOf(at_ms) },
    ...{ status, failure, next_attempt_at: due_ms === null ? null : secondsOf(due_ms) },
    attempts: attempts.map((each) => ({
      ...{ at: secondsOf(each.at_ms), status_code: each.status_code },
      ...{ error: each.error, latency_ms: each.latency_ms },
    })),
  };
}

const list = route({
  name: "list-webhook-deliveries",
  method: "GET",
  path: "api/webhooks/deliveries",
  who: "tenant",
  summary: "List webhook deliveries, newest event first",
  query: z.object({
    endpoint: z.string().min(1).max(64).optional().describe("Only those to this endpoint."),
    status: z
      .enum(DELIVERY_STATUSES, `must be one of ${DELIVERY_STATUSES.join(", ")}`)
      .optional()
      .describe("Only those of this status."),
    limit,
    after: z
      .string()
      .regex(DELIVERY_ID, "must be the id of a delivery, as in `last_id`")
      .optional()
      .describe("The `last_id` of the page before."),
  }),
  answers: { 200: { description: "A page.", schema: pageSchema(deliverySchema) } },
  handle: async ({ webhooks }: WebhookDeliveriesDeps, { query }, { tenant }) => {
    const { deliveries, hasMore } = await webhooks.deliveries.list(tenant.id, query);
    return json(200, pageOf(deliveries.map(resourceOf), hasMore));
  },
});

const again = route({
  name: "redeliver-webhook",
  method: "POST",
  path: "api/webhooks/deliveries/{id}/redeliver",
  who: "tenant",
  summary: "Send an event to its endpoint again, whatever became of it; it has the same id",
  params: {
    schema: z.object({
      id: z
        .string()
        .regex(DELIVERY_ID, "There is no such delivery: an id is `whd_` and 32 hex digits.")
        .describe("The delivery's id."),
    }),
    absent: "delivery_not_found",
  },
  answers: { 202: { description: "It will be tried at once.", schema: deliverySchema } },
  errors: ["delivery_not_found", "webhook_endpoint_not_found"],
  handle: async ({ webhooks }: WebhookDeliveriesDeps, { path }, { tenant }) =>
    json(202, resourceOf(await redeliver(webhooks, tenant.id, path.id))),
});

const stateSchema = z
  .object({
    id: text("`whe_` and 32 hex digits."),
    name: text("For people."),
    url: text("Where events are sent."),
    event_types: z.array(z.enum(EVENT_TYPES)).describe("What is sent there."),
    state: z.enum(["working", "failing", "disabled"]).describe("Whether what is sent there is taken."),
    failing_since: unixTime("Since when nothing is taken there; null: it works.").nullable(),
    disabled: z
      .object({
        at: unixTime(),
        reason: z
          .enum(DISABLED_REASONS)
          .describe("`gone`: it answered 410. `failing`: it took nothing for three days."),
      })
      .nullable()
      .describe("Nothing is sent there until it is updated; null: it is in use."),
  })
  .meta({ id: "WebhookEndpointState", title: "How a webhook endpoint is" });

function stateOf(endpoint: Endpoint): z.input<typeof stateSchema> {
  const { id, name, url, event_types, failing_since_ms, disabled } = endpoint;
  const failing = failing_since_ms === undefined ? null : secondsOf(failing_since_ms);
  return {
    ...{ id, name, url, event_types: [...event_types] },
    state: disabled !== undefined ? "disabled" : failing !== null ? "failing" : "working",
    failing_since: failing,
    disabled: disabled === undefined ? null : { at: secondsOf(disabled.at_ms), reason: disabled.reason },
  };
}

const states = route({
  name: "list-webhook-endpoint-states",
  method: "GET",
  path: "api/webhooks/endpoints",
  who: "tenant",
  summary: "How each webhook endpoint is; they are managed at the OpenAI door",
  answers: { 200: { description: "All of them.", schema: listSchema(stateSchema) } },
  handle: async ({ webhooks }: WebhookDeliveriesDeps, _input, { tenant }) =>
    json(200, { object: "list", data: (await endpointsOf(webhooks, tenant.id)).map(stateOf) }),
});

export const webhookDeliveryRoutes: readonly Route<WebhookDeliveriesDeps>[] = [list, again, states];
