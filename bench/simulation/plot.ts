import { percentile } from "../measure.ts";
import { CLASSES } from "./figures.ts";
import type { Run } from "./run.ts";

/** A line of a panel; null: nothing to show there. */
interface Line {
  readonly label: string;
  readonly values: readonly (number | null)[];
}

interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
  /** What the axis shows at its top, and how. */
  readonly most: number;
  /** Where it has lines across. */
  readonly marks: readonly number[];
  readonly unit: (value: number) => string;
}

const WIDTH = 760;
const PANEL_HEIGHT = 130;
const GAP = 58;
const LEFT = 56;
const RIGHT = 130;
const TOP = 52;
/** Told apart on white and on black. */
const COLOURS = ["#3b82f6", "#e8590c", "#2f9e44", "#b45cd6", "#c99700"];
const STYLE =
  "text{font:12px system-ui,sans-serif;fill:#444}.t{font-weight:600}.a{stroke:#9999;fill:none}.g{stroke:#9994;fill:none}" +
  "polyline{fill:none;stroke-width:1.6}@media(prefers-color-scheme:dark){text{fill:#ccc}}";

/** The run as a drawing: how far the quota was used, how long jobs waited, how many calls were refused. */
export function plotOf(run: Run): string {
  const { bins, binSeconds } = run.figures;
  const minutes = (bins.length * binSeconds) / 60;
  const panels = panelsOf(run);
  const height = TOP + panels.length * (PANEL_HEIGHT + GAP);
  const title = `Simulation «${run.scenario.name}», seed ${run.seed}: ${run.scenario.jobs.toLocaleString("en")} jobs`;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">`,
    `<style>${STYLE}</style>`,
    `<text class="t" x="12" y="20">${title}</text>`,
    ...panels.map((panel, n) => drawn(panel, TOP + n * (PANEL_HEIGHT + GAP), bins.length, minutes)),
    "</svg>\n",
  ];
  return parts.join("\n");
}

function panelsOf({ figures, world }: Run): Panel[] {
  const { bins } = figures;
  const labs = [...new Set(world.quotas.map(({ lab }) => lab))];
  const share = (part = 0, whole = 0) => (whole > 0 ? Math.min(1.2, part / whole) : null);
  const nameOf = (lab: number) => `lab ${String.fromCharCode(65 + lab)}`;
  const used = labs.map((lab) => ({
    label: nameOf(lab),
    values: bins.map((bin) => share(bin.used[lab], bin.offered[lab])),
  }));
  const waits = CLASSES.map((label, n) => ({
    label,
    values: bins.map((bin) => {
      const sorted = (bin.waits[n] ?? []).toSorted((a, b) => a - b);
      return sorted.length === 0 ? null : percentile(sorted, 0.95) / 60;
    }),
  }));
  const refused = bins.map(({ calls, refused: count }) => (calls === 0 ? null : count / calls));
  const percent = (value: number) => `${Math.round(value * 1000) / 10} %`;
  const panel = (title: string, lines: Line[], most: number, unit: Panel["unit"]): Panel => ({
    ...{ title, lines, most, unit },
    marks: [0, most / 2, most],
  });
  return [
    {
      title: "Quota used while jobs waited for it, by lab",
      lines: used,
      most: 1.2,
      marks: [0, 0.5, 1],
      unit: percent,
    },
    panel(
      "Minutes waited (95th percentile), by what a tenant offers",
      waits,
      topOf(waits.flatMap(({ values }) => values)),
      (value) => `${Math.round(value * 100) / 100} min`,
    ),
    panel(
      "Calls refused (429)",
      [{ label: "of all calls", values: refused }],
      Math.max(0.01, topOf(refused)),
      percent,
    ),
  ];
}

/** A round number above them all. */
function topOf(values: readonly (number | null)[]): number {
  const most = Math.max(1e-3, ...values.map((value) => value ?? 0));
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 2, 3, 5, 10].find((each) => each * power >= most) ?? 10;
  return step * power;
}

function drawn(
  { title, lines, most, marks, unit }: Panel,
  top: number,
  bins: number,
  minutes: number,
): string {
  const right = WIDTH - RIGHT;
  const bottom = top + PANEL_HEIGHT;
  const x = (bin: number) => LEFT + ((right - LEFT) * (bin + 0.5)) / bins;
  const y = (value: number) => bottom - (PANEL_HEIGHT * Math.min(value, most)) / most;
  const grid = marks.map((mark) => {
    const at = y(mark).toFixed(0);
    return `<path class="g" d="M${LEFT} ${at}H${right}"/><text x="${LEFT - 6}" y="${Number(at) + 4}" text-anchor="end">${unit(mark)}</text>`;
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<text x="${(LEFT + (right - LEFT) * share).toFixed(0)}" y="${bottom + 16}" text-anchor="middle">${Math.round(minutes * share * 10) / 10}${share === 1 ? " min" : ""}</text>`,
  );
  const drawnLines = lines.map(({ label, values }, n) => {
    const colour = COLOURS[n % COLOURS.length];
    const pieces = unbroken(values).map(
      (piece) =>
        `<polyline stroke="${colour}" points="${piece.map(([bin, value]) => `${x(bin).toFixed(0)},${y(value).toFixed(1)}`).join(" ")}"/>`,
    );
    const at = top + 8 + n * 18;
    const key = `<path stroke="${colour}" stroke-width="3" d="M${right + 12} ${at}h14"/><text x="${right + 32}" y="${at + 4}">${label}</text>`;
    return pieces.join("") + key;
  });
  return [
    `<text class="t" x="${LEFT}" y="${top - 10}">${title}</text>`,
    `<path class="a" d="M${LEFT} ${top}V${bottom}H${right}"/>`,
    ...grid,
    ...ticks,
    ...drawnLines,
  ].join("");
}

/** Pieces of a line without gaps. */
function unbroken(values: readonly (number | null)[]): [number, number][][] {
  const pieces: [number, number][][] = [];
  let piece: [number, number][] = [];
  for (const [bin, value] of values.entries()) {
    if (value !== null) piece.push([bin, value]);
    else if (piece.length > 0) {
      pieces.push(piece);
      piece = [];
    }
  }
  if (piece.length > 0) pieces.push(piece);
  return pieces;
}
