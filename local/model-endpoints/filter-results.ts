/** What Azure's content filter says of a harmless text; the same object for all answers. */
const SAFE = { filtered: false, severity: "safe" };
export const SAFE_ANSWER = { hate: SAFE, self_harm: SAFE, sexual: SAFE, violence: SAFE };
export const SAFE_PROMPT = { ...SAFE_ANSWER, jailbreak: { filtered: false, detected: false } };
/** And of an answer that it stopped. */
export const FILTERED_ANSWER = { ...SAFE_ANSWER, violence: { filtered: true, severity: "medium" } };
