import { useEffect, useRef } from "preact/hooks";
import { type Plotted, ticksInWords } from "../rows/usage.ts";
import { Word } from "./text.tsx";

interface PlotProps {
  readonly plotted: Plotted;
  /** What it shows, for those who cannot see it; the figures themselves are in a table beside it. */
  readonly label: string;
}

const HEIGHT_PX = 220;
const DARK = "(prefers-color-scheme: dark)";

/** Figures over days. Its colours are those of its legend, so that style.css alone has them. */
export function Plot({ plotted, label }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLUListElement>(null);
  useEffect(() => {
    let isWanted = true;
    let end = () => undefined as unknown;
    const draw = async () => {
      const { default: UPlot } = await import("uplot");
      const [target, colours] = [box.current, legend.current];
      if (!isWanted || target === null || colours === null) return;
      end();
      const colourOf = (element: Element | undefined) =>
        element === undefined ? "" : getComputedStyle(element).color;
      const axis = { stroke: colourOf(target), ticks: { show: false }, grid: { width: 0.25 } };
      const made = new UPlot(
        {
          ...{ width: target.clientWidth, height: HEIGHT_PX, legend: { show: false } },
          cursor: { show: false },
          tzDate: (seconds) => UPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
          scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.05 : 1] } },
          axes: [axis, { ...axis, size: 90, values: (_, ticks) => ticksInWords(ticks) }],
          series: [
            {},
            ...plotted.series.map((_, at) => ({
              ...{ stroke: colourOf(colours.children[at]), width: 2, points: { show: true, size: 6 } },
            })),
          ],
        },
        [[...plotted.days], ...plotted.series.map(({ values }) => [...values])],
        target,
      );
      end = () => made.destroy();
    };
    draw();
    const media = matchMedia(DARK);
    media.addEventListener("change", draw);
    addEventListener("resize", draw);
    return () => {
      isWanted = false;
      media.removeEventListener("change", draw);
      removeEventListener("resize", draw);
      end();
    };
  }, [plotted]);
  return (
    <figure class="plot">
      <div ref={box} role="img" aria-label={label} />
      <ul ref={legend} class="legend">
        {plotted.series.map(({ name }, at) => (
          <li key={name} class={`series-${at}`}>
            <Word text={name} />
          </li>
        ))}
      </ul>
    </figure>
  );
}
