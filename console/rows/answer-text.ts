/** What people want to read of a request or an answer, of any endpoint; the rest can be seen as JSON. */

type Fields = Readonly<Record<string, unknown>>;
const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null ? (value as Fields) : {};
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The words of an answer; undefined: it has none that can be told from the rest. */
export function answerText(body: unknown): string | undefined {
  const { choices, output, data, object } = fieldsOf(body);
  const texts = [
    ...listOf(choices).flatMap((choice) => messageTexts(fieldsOf(choice).message)),
    ...listOf(output).flatMap(outputTexts),
  ];
  if (texts.length > 0) return texts.join("\n\n");
  if (object === "list" && Array.isArray(data) && fieldsOf(data[0]).object === "embedding")
    return `${data.length} ${data.length === 1 ? "vector" : "vectors"} of ${lengthOf(fieldsOf(data[0]).embedding)} numbers`;
  return undefined;
}

const lengthOf = (value: unknown) => (Array.isArray(value) ? value.length : "encoded");

function messageTexts(message: unknown): string[] {
  const { content, refusal, tool_calls } = fieldsOf(message);
  const texts = contentTexts(content);
  if (typeof refusal === "string") texts.push(refusal);
  for (const call of listOf(tool_calls)) {
    const { name, arguments: given } = fieldsOf(fieldsOf(call).function);
    texts.push(`${String(name)}(${String(given)})`);
  }
  return texts;
}

function outputTexts(item: unknown): string[] {
  const { type, content, name, arguments: given } = fieldsOf(item);
  return type === "function_call" ? [`${String(name)}(${String(given)})`] : contentTexts(content);
}

function contentTexts(content: unknown): string[] {
  if (typeof content === "string") return content === "" ? [] : [content];
  return listOf(content).flatMap((part) => {
    const { text, refusal } = fieldsOf(part);
    return [text, refusal].filter((each) => typeof each === "string");
  });
}

export interface Said {
  readonly role: string;
  readonly text: string;
}

/** What a request says, by role; empty: its shape is another. */
export function promptTexts(body: unknown): readonly Said[] {
  const { messages, input, instructions } = fieldsOf(body);
  const said: Said[] = [];
  if (typeof instructions === "string") said.push({ role: "instructions", text: instructions });
  if (typeof input === "string") said.push({ role: "user", text: input });
  for (const message of [...listOf(messages), ...listOf(input)]) {
    const { role, content } = fieldsOf(message);
    const text = typeof message === "string" ? message : contentTexts(content).join("\n");
    said.push({ role: typeof role === "string" ? role : "input", text });
  }
  return said;
}

export function prettyJson(value: unknown): string {
  return JSON.stringify(value, null, 2) ?? "";
}
