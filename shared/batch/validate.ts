import { type BatchFault, NOTHING_READ } from "./batch.ts";
import { type LineDeps, type LineOf, readLine } from "./line.ts";
import { linesOf } from "./lines.ts";

/** Faults told of one batch: enough to correct a program, no more than an answer bears. */
const MAX_FAULTS = 100;

export interface InputLimits {
  readonly maxLines: number;
  readonly maxLineBytes: number;
}

/** Looks at every line before any runs. @returns how many there are, and what is wrong with them */
export async function validate(
  deps: LineDeps,
  content: AsyncIterable<Uint8Array>,
  of: LineOf,
  { maxLines, maxLineBytes }: InputLimits,
): Promise<{ lines: number; faults: readonly BatchFault[] }> {
  const faults: BatchFault[] = [];
  /** Where each `custom_id` was first. */
  const seen = new Map<string, number>();
  let lines = 0;
  for await (const input of linesOf(content, NOTHING_READ.cursor, maxLineBytes)) {
    const { line } = input;
    lines++;
    if (lines > maxLines) {
      faults.push({
        code: "too_many_tasks",
        message: `There are over ${maxLines} lines.`,
        param: null,
        line,
      });
      break;
    }
    const read = readLine(deps, input, of);
    if (Array.isArray(read)) faults.push(...read);
    else {
      const first = seen.get(read.custom_id);
      if (first === undefined) seen.set(read.custom_id, line);
      else {
        const message = `custom_id ${read.custom_id} is that of line ${first}, too.`;
        faults.push({ code: "duplicate_custom_id", message, param: "custom_id", line });
      }
    }
    if (faults.length >= MAX_FAULTS) break;
  }
  if (lines === 0)
    faults.push({ code: "empty_file", message: "The file has no line.", param: "input_file_id", line: null });
  return { lines, faults: faults.slice(0, MAX_FAULTS) };
}
