/** What a body can ask for beyond plain text. */
export const CAPABILITIES = ["tools", "json_schema", "vision", "audio", "reasoning"] as const;
export type Capability = (typeof CAPABILITIES)[number];
