import type { ComponentChildren } from "preact";

export interface Column<Row> {
  readonly name: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Numbers stand to the right. */
  readonly isNumber?: boolean;
}

interface TableProps<Row> {
  /** What the table shows, for those who cannot see it. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
}

export function Head<Row>({ columns }: Pick<TableProps<Row>, "columns">) {
  return (
    <thead>
      <tr>
        {columns.map(({ name, isNumber }) => (
          <th key={name} scope="col" class={isNumber ? "number" : ""}>
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}

/** A table; on a narrow screen each row becomes a card, where each value has its column's name before it. */
export function Table<Row>({ caption, columns, rows, keyOf }: TableProps<Row>) {
  return (
    <table>
      <caption class="unseen">{caption}</caption>
      <Head columns={columns} />
      <tbody>
        {rows.map((row) => (
          <Cells key={keyOf(row)} columns={columns} row={row} />
        ))}
      </tbody>
    </table>
  );
}

/** One row of a table. */
export function Cells<Row>({
  columns,
  row,
}: {
  readonly columns: readonly Column<Row>[];
  readonly row: Row;
}) {
  return (
    <tr>
      {columns.map(({ name, cell, isNumber }) => (
        <td key={name} data-column={name} class={isNumber ? "number" : ""}>
          {cell(row)}
        </td>
      ))}
    </tr>
  );
}

/** Facts, each with its name. Those that are null are left out. */
export function Facts({ facts }: { readonly facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== null && value !== undefined)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
