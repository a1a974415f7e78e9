/** One line of prompts.jsonl: a task over a passage that is in the public domain. */
export interface Prompt {
  readonly id: string;
  readonly task: string;
  readonly source: { readonly author: string; readonly work: string; readonly year: number };
  /** A chat completions request without its model. */
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * Reads prompts, one JSON object a line; empty lines are skipped.
 * @throws Error naming the line that is wrong
 */
export function parsePrompts(text: string): Prompt[] {
  const prompts: Prompt[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const fail = (why: string) => new Error(`prompts, line ${index + 1}: ${why}`);
    let prompt: Partial<Prompt> | null;
    try {
      prompt = JSON.parse(line);
    } catch (thrown) {
      throw fail(thrown instanceof Error ? thrown.message : String(thrown));
    }
    const { id, task, source, body } = prompt ?? {};
    if (typeof id !== "string" || typeof task !== "string") throw fail("it needs an id and a task");
    if (prompts.some((other) => other.id === id)) throw fail(`the id ${id} is used twice`);
    if (
      typeof source?.author !== "string" ||
      typeof source.work !== "string" ||
      typeof source.year !== "number"
    ) {
      throw fail("it needs a source with author, work and year");
    }
    if (!Array.isArray(body?.messages) || "model" in body) {
      throw fail("it needs a body with messages and without a model");
    }
    prompts.push({ id, task, source, body });
  }
  return prompts;
}
