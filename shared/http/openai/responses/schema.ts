import { z } from "zod";
import { text } from "../../api/fields.ts";

export const RESPONSE_STATUSES = [
  ...["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"],
] as [string, ...string[]];

export const responseSchema = z
  .looseObject({
    id: text("Its id, by which alone it is found."),
    object: z.literal("response"),
    created_at: z.number().describe("Unix seconds."),
    status: z.enum(RESPONSE_STATUSES).describe("Where it is."),
    model: text("The model that was asked for."),
    output: z.array(z.looseObject({})).describe("The lab's items, none before its end."),
    background: z.boolean().describe("Whether nobody waits for it on a connection."),
    store: z.boolean().describe("Whether it can be read later."),
    previous_response_id: text("The response that came before.").nullable(),
    error: z
      .looseObject({ code: text("A word for programs."), message: text("What is wrong, for people.") })
      .nullable()
      .describe("Why it has failed."),
    incomplete_details: z
      .looseObject({ reason: text("`max_output_tokens`, `content_filter`, or the lab's own word.") })
      .nullable()
      .describe("Why it is not whole."),
  })
  .describe("As OpenAI has it; what the lab says of it besides is in it too.")
  .meta({ id: "Response", title: "A response" });
