import { expect, it } from "vitest";
import { shown, sum } from "../../../examples/demo/money.ts";
import { answerOf, faultsOf } from "../../../examples/demo/outcome.ts";
import { Progress, type ProgressState } from "../../../examples/demo/progress.ts";
import { answersTable, auditTable, costOf, labsTable } from "../../../examples/demo/report.ts";
import { shorten, table } from "../../../examples/demo/table.ts";
import { job, outcome } from "./outcomes.ts";

it("adds money exactly, and rounds what it shows up", () => {
  expect(sum([])).toBe("0");
  expect(sum(["0.1", "0.2"])).toBe("0.3");
  expect(sum(Array(10).fill("0.000000000000000001"))).toBe("0.00000000000000001");
  expect(shown("0.0000001", 6)).toBe("0.000001");
  expect(shown("12.5", 2)).toBe("12.50");
  expect(() => sum(["1e3"])).toThrow('"1e3"');
});

it("lays out tables within the width", () => {
  const columns = [
    { title: "lab" },
    { title: "answer", flexible: true },
    { title: "n", align: "right" as const },
  ];
  const rows = [
    ["openai", `${"so ".repeat(40)}it\nis`, "7"],
    ["xai", "brief", "12"],
  ];
  expect(table(columns, rows, 40).split("\n")).toEqual([
    "lab     answer                         n",
    "──────  ────────────────────────────  ──",
    "openai  so so so so so so so so so…    7",
    "xai     brief                         12",
  ]);
  expect(shorten("a\n b", 9)).toBe("a b");
  expect(shorten("💥💥💥", 2)).toBe("💥…");
});

it("shows answers, labs and a trail", () => {
  const other = outcome({ lab: "xai", job: job({ provider: "xai", deployment: "grok-sim-local" }) });
  const outcomes = [outcome(), other];
  expect(answersTable(outcomes, 100).split("\n").slice(2)).toEqual([
    "summarise-pride  openai  It is so.   1.50 s     120  $0.000360",
    "                 xai     It is so.   1.50 s     120  $0.000360",
  ]);
  expect(labsTable(outcomes, 100).split("\n").slice(2)).toEqual([
    "openai  gpt-sim-local         1/1  1.50 s   1.50 s           100             20  $0.000360",
    "xai     grok-sim-local        1/1  1.50 s   1.50 s           100             20  $0.000360",
    "all                           2/2  1.50 s   1.50 s           200             40  $0.000720",
  ]);
  expect(costOf(outcomes)).toBe("0.00072");
  const lines = auditTable(outcome().audit, 200).split("\n");
  expect(lines).toHaveLength(5);
  expect(lines[2]).toMatch(/accepted +team-a\/key:c990c1ab +00000000 +[0-9a-f]{8} +yes$/);
  const edited = outcome().audit.map((record) => ({ ...record, actor: "nobody" }));
  expect(auditTable(edited, 200).split("\n")[2]).toMatch(/NO$/);
});

it("names all that kept the demo from succeeding", () => {
  const failed = job({
    status: "failed",
    response: null,
    error: { code: "attempts_exhausted", message: "no" },
  });
  const faults = (more: Parameters<typeof outcome>[0]) => faultsOf([outcome(more)]);
  expect(faults({})).toEqual([]);
  expect(faults({ job: failed })).toEqual([
    "summarise-pride at openai (job_1) is failed: attempts_exhausted: no",
  ]);
  expect(faults({ job: job({ simulated: false }) })[0]).toContain("not marked as simulated");
  expect(faults({ lab: "xai" })[0]).toContain("answered by openai");
  expect(faults({ job: job({ response: null }) })[0]).toContain("empty answer");
  expect(faults({ audit: [] })[0]).toContain("audit trail");
  expect(answerOf(job())).toBe("It is so.");
});

it("keeps one line on a terminal, and writes a few where there is none", () => {
  const state = (ended: number): ProgressState => ({
    submitted: 8,
    ended,
    total: 8,
    byLab: [["openai", ended]],
    elapsedMs: 1_234,
  });
  const written: string[] = [];
  const screen = { isTTY: true, width: 30, write: (text: string) => void written.push(text) };
  const onTerminal = new Progress(screen);
  onTerminal.show(state(1));
  onTerminal.show(state(8));
  onTerminal.end();
  expect(written).toHaveLength(3);
  expect(written[1]).toBe("\r\u001b[2K██████████ 8/8 ended, 8 submi");
  expect(written[2]).toBe("\n");

  written.length = 0;
  const plain = new Progress({ ...screen, isTTY: false });
  for (const ended of [0, 0, 1, 1, 2, 8, 8]) plain.show(state(ended));
  plain.end();
  expect(written.map((line) => /\d+\/8/.exec(line)?.[0])).toEqual(["1/8", "2/8", "8/8"]);
  expect(written.every((line) => line.endsWith("1.2 s\n"))).toBe(true);
});
