import type { Mutant } from "./mutant.ts";

const lines = Object.fromEntries(
  ["a", "b", "c"].map((name) => [
    name,
    { model: "gpt-sim", messages: [{ role: "user", content: `Say ${name}.` }] },
  ]),
);
const wish = { batch: { lines } };

/** Bugs of batches. */
export const BATCH_MUTANTS: readonly Mutant[] = [
  {
    promise: "a_batch_ends",
    bug: "the last turn does nothing",
    patches: [["batch/turn.ts", "return finalize(turn);", "return;"]],
    wish,
  },
  {
    promise: "lines_are_in_one_file",
    bug: "a result is written twice",
    patches: [
      [
        "batch/turn-state.ts",
        "!this.progress.reported.has(line));",
        "!this.progress.reported.has(line)).flatMap((each) => [each, each]);",
      ],
    ],
    wish,
  },
  {
    promise: "a_line_is_called_once",
    bug: "a line becomes two jobs",
    patches: [
      ["batch/batch.ts", "batch_id, line)}`", "batch_id, line, Math.random())}`"],
      [
        "batch/expand.ts",
        "await put(turn, acceptLine(",
        "for (let n = 0; n < 2; n++) await put(turn, acceptLine(",
      ],
    ],
    wish,
  },
];
