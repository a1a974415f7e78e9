import { z } from "zod";

/**
 * How a deployment wants said what other labs say differently, declared in the catalogue. Parameters are named as
 * clients name them; a dot goes into an object (`reasoning.effort`). What a dialect cannot say makes the deployment
 * ineligible for a request: nothing is dropped. How it is applied is the protocol's.
 */
const parameter = z.string().regex(/^[a-z_]+(\.[a-z_]+)?$/, "a parameter, or one inside an object: a.b");
const scalar = z.union([z.string(), z.number(), z.boolean()]);
const role = z.enum(["system", "developer", "user"]);

export const dialectSchema = z.strictObject({
  rename: z
    .record(parameter, parameter)
    .default({})
    .describe('Sent under another name: `{"max_tokens": "max_completion_tokens"}`.'),
  refuse: z
    .array(parameter)
    .default([])
    .describe("Never sent: a request that sets one goes to another deployment."),
  values: z
    .record(parameter, z.record(z.string(), scalar))
    .default({})
    .describe(
      'All the values a parameter may have here, and what is sent for each: `{"reasoning_effort": {"minimal": "low"}}`.',
    ),
  roles: z
    .partialRecord(role, role)
    .default({})
    .describe('Roles of messages under another name: `{"developer": "system"}`.'),
});
export type Dialect = Readonly<z.infer<typeof dialectSchema>>;
