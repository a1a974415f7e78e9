/** What several labs are asked at once: the answer is to hold the schema. */
export const COMPARED = {
  messages: [
    {
      role: "user",
      content:
        "When and where does it begin?\n\nOn the 24th of February, 1815, the look-out at Notre-Dame de la Garde signalled the three-master, the Pharaon from Smyrna, Trieste, and Naples.",
    },
  ],
  response_format: {
    type: "json_schema",
    json_schema: {
      name: "beginning",
      strict: true,
      schema: {
        type: "object",
        properties: { year: { type: "integer" }, place: { type: "string" } },
        required: ["year", "place"],
        additionalProperties: false,
      },
    },
  },
} as const;
