import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { rowsInView } from "../rows/job-list.ts";

import { Cells, type Column, Head } from "./table.tsx";

interface LongTableProps<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  /** Told which rows are in view, whenever that changes. */
  readonly onView: (from: number, to: number) => void;
}

/** As style.css has them: what scrolls past must be as high as what is not there. */
const ROW_PX = 36;
const CARD_PX = 240;
const NARROW = "(max-width: 45rem)";

/** A table of any length that scrolls by itself: only the rows in view are in the page. */
export function LongTable<Row extends object>({
  caption,
  columns,
  rows,
  keyOf,
  onView,
}: LongTableProps<Row>) {
  const box = useRef<HTMLElement>(null);
  const [scroll, setScroll] = useState({ top: 0, height: 600 });
  const [isNarrow, setIsNarrow] = useState(matchMedia(NARROW).matches);
  const rowHeight = isNarrow ? CARD_PX : ROW_PX;
  const look = () => {
    const { scrollTop = 0, clientHeight = 600 } = box.current ?? {};
    setScroll({ top: scrollTop, height: clientHeight });
  };
  useLayoutEffect(look, []);
  useEffect(() => {
    const media = matchMedia(NARROW);
    const changed = () => {
      setIsNarrow(media.matches);
      look();
    };
    media.addEventListener("change", changed);
    addEventListener("resize", look);
    return () => {
      media.removeEventListener("change", changed);
      removeEventListener("resize", look);
    };
  }, []);
  // A row that stays in view is not drawn again: the very same element is passed over.
  const drawn = useMemo(() => new WeakMap<Row, VNode>(), [columns]);
  const draw = (row: Row): VNode => {
    const known = drawn.get(row) ?? <Cells key={keyOf(row)} columns={columns} row={row} />;
    drawn.set(row, known);
    return known;
  };
  const { from, to } = rowsInView(scroll.top, scroll.height, rowHeight, rows.length);
  useEffect(() => onView(from, to), [from, to, rows.length, onView]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reached by the keyboard
    <section ref={box} class="long" aria-label={caption} tabIndex={0} onScroll={look}>
      <table aria-rowcount={rows.length + 1}>
        <caption class="unseen">{caption}</caption>
        <Head columns={columns} />
        <tbody>
          <Gap px={from * rowHeight} />
          {rows.slice(from, to).map(draw)}
          <Gap px={(rows.length - to) * rowHeight} />
        </tbody>
      </table>
    </section>
  );
}

/** In place of the rows that are not in view. */
function Gap({ px }: { readonly px: number }) {
  return px === 0 ? null : <tr class="gap" style={{ height: `${px}px` }} />;
}
