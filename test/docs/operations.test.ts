import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { WAIT_REASONS } from "../../shared/job/waits-for.ts";

const page = readFileSync(path.resolve(import.meta.dirname, "../../docs/operations.md"), "utf8");

it("the tree of waiting jobs has a row for each reason, with where to look and what to do", () => {
  const section = page.slice(page.indexOf("\n## Jobs wait\n"), page.indexOf("\n## Alarms\n"));
  const rows = [...section.matchAll(/^\| `(\w+)` \| (.+) \| (.+) \|$/gm)];
  expect(rows.map(([, reason]) => reason).sort()).toEqual([...WAIT_REASONS].sort());
});
