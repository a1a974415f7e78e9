import { z } from "zod";
import { Problem } from "../../errors.ts";
import { jobNotFound } from "../../job/ending/cancel.ts";
import type { JobStore } from "../../job/ports.ts";
import { UnreadableItem } from "../../store.ts";
import { jsonText } from "../answer.ts";
import { route } from "../route.ts";
import { jobInPath } from "./parameters.ts";

export const jobRequestRoute = route({
  name: "get-job-request",
  method: "GET",
  path: "api/jobs/{id}/request",
  who: "tenant",
  summary: "A job's request, as it was submitted and is sent",
  params: jobInPath,
  answers: { 200: { description: "The `body` of its envelope, byte for byte.", schema: z.looseObject({}) } },
  errors: ["job_not_found", "request_gone"],
  handle: async ({ store }: { readonly store: JobStore }, { path: { id: job_id } }, { tenant }) => {
    const key = { tenant_id: tenant.id, job_id };
    const found = await store.readWithRequest(key);
    if (found === undefined) throw jobNotFound(key);
    const { request } = found;
    if (request instanceof UnreadableItem) throw request;
    if (request === undefined)
      throw new Problem("request_gone", `The request of ${job_id} was deleted, or has expired.`);
    return jsonText(200, request.body);
  },
});
