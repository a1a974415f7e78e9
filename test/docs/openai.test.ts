import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { OPENAI_PAGE, whatLabsCannot, withWhatLabsCannot } from "../../tools/docs/what-labs-cannot.ts";

it("docs/openai.md says what each lab cannot do, as the mappings have it", () => {
  const page = readFileSync(OPENAI_PAGE, "utf8");
  expect(page).toBe(withWhatLabsCannot(page));
  expect(page).toContain(whatLabsCannot());
});

it("the table names what is refused, and lets through what is not", () => {
  const rows = whatLabsCannot().split("\n");
  const row = (start: string) => rows.find((each) => each.startsWith(`| ${start}`));
  expect(row("functions")).toBe("| functions | · | · | · |");
  expect(row("`n` over 1")).toBe("| `n` over 1 |  |  | no (`n`) |");
  expect(row("`truncation")).toContain("no (`truncation`) | no (`truncation`)");
});
