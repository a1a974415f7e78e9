export interface Column {
  readonly title: string;
  /** Numbers stand to the right. */
  readonly align?: "left" | "right";
  /** Cut to what the width leaves; at most one column of a table. */
  readonly flexible?: boolean;
}

const GAP = "  ";
const MIN_FLEXIBLE_CHARS = 20;

/** Rows under their titles, a rule between them. No line is wider than `width`, if fixed columns leave room. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number,
): string {
  const natural = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => chars(row[index] ?? ""))),
  );
  const fixed = natural.reduce((total, each, index) => total + (columns[index]?.flexible ? 0 : each), 0);
  const left = Math.max(MIN_FLEXIBLE_CHARS, width - fixed - GAP.length * (columns.length - 1));
  const widths = natural.map((each, index) => (columns[index]?.flexible ? Math.min(each, left) : each));
  const line = (cells: readonly string[]) =>
    columns
      .map(({ align }, index) => {
        const cell = shorten(cells[index] ?? "", widths[index] ?? 0);
        const padding = " ".repeat(Math.max(0, (widths[index] ?? 0) - chars(cell)));
        return align === "right" ? padding + cell : cell + padding;
      })
      .join(GAP)
      .trimEnd();
  const rule = widths.map((each) => "─".repeat(each)).join(GAP);
  return [line(columns.map(({ title }) => title)), rule, ...rows.map(line)].join("\n");
}

/** The text on one line, in at most so many characters. */
export function shorten(text: string, width: number): string {
  const flat = text.replace(/\s+/g, " ").trim();
  const points = [...flat];
  return points.length <= width
    ? flat
    : `${points
        .slice(0, Math.max(0, width - 1))
        .join("")
        .trimEnd()}…`;
}

function chars(text: string): number {
  return [...text].length;
}
