import { useMemo } from "preact/hooks";
import { queryOf } from "../api.ts";
import { useLive } from "../live.ts";
import { useFilter } from "../location.ts";
import { Choice, Field } from "../parts/form.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Plot } from "../parts/plot.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { When, Word } from "../parts/text.tsx";
import type { List } from "../resources.ts";
import {
  type Budget,
  BYS,
  type By,
  type Measure,
  namesOf,
  plotted,
  rowsOf,
  shares,
  sumOf,
  sumsBy,
  type UsageAnswer,
  type UsageSum,
} from "../rows/usage.ts";
import { count, money, shortDecimal } from "../rows/words.ts";
import type { ScreenProps } from "../screen.ts";

/** Sums are read from all records of a month: seldom is enough. */
const EVERY_USAGE_MS = 30_000;

/** What was used and what it cost, over time and by whom, and what is left of a budget. */
export function UsageScreen({ place, session }: ScreenProps) {
  const isOperator = session.kind === "operator";
  const [from, setFrom] = useFilter(place, "from");
  const [to, setTo] = useFilter(place, "to");
  const [tenant, setTenant] = useFilter(place, "tenant");
  const path = isOperator ? "/api/ops/usage" : "/api/usage";
  const live = useLive<UsageAnswer>(
    `${path}${queryOf({ from, to, ...(isOperator && { tenant }) })}`,
    EVERY_USAGE_MS,
  );
  return (
    <>
      <div class="fields">
        <Field label="From" type="date" value={from} onValue={setFrom} hint="Empty: the month so far" />
        <Field label="To" type="date" value={to} onValue={setTo} hint="Days of UTC, 31 at most" />
        {isOperator && <TenantChoice value={tenant} onValue={setTenant} />}
      </div>
      <Loaded live={live}>
        {(answer) => (
          <>
            <BudgetNow budget={answer.budget} isOfOne={!isOperator || tenant !== ""} />
            <Sums answer={answer} place={place} isOperator={isOperator} />
          </>
        )}
      </Loaded>
    </>
  );
}

function TenantChoice(props: { readonly value: string; readonly onValue: (value: string) => void }) {
  const tenants = useLive<List<{ readonly id: string }>>("/api/ops/tenants", 0);
  const names = (tenants.value?.data ?? []).map(({ id }) => id);
  const options = props.value === "" || names.includes(props.value) ? names : [...names, props.value];
  return <Choice label="Tenant" {...props} options={options} any="All" />;
}

interface SumsProps extends Pick<ScreenProps, "place"> {
  readonly answer: UsageAnswer;
  readonly isOperator: boolean;
}

function Sums({ answer, place, isOperator }: SumsProps) {
  const [model, setModel] = useFilter(place, "model");
  const [lab, setLab] = useFilter(place, "lab");
  const [by, setBy] = useFilter(place, "by");
  const [what, setWhat] = useFilter(place, "what");
  const chosenBy = BYS.find((each) => each === by) ?? "day";
  const rows = useMemo(() => rowsOf(answer.data, model, lab), [answer, model, lab]);
  const total = sumOf("All", rows);
  const currencies = total.costs.map(({ currency }) => `cost in ${currency}`);
  const measures = [...currencies, "tokens", "calls"];
  const shown = measures.includes(what) ? what : (measures[0] ?? "tokens");
  const figures = useMemo(
    () => plotted(answer, rows, chosenBy, measureOf(shown)),
    [answer, rows, chosenBy, shown],
  );
  return (
    <>
      <div class="fields">
        <Choice
          label="By"
          value={chosenBy}
          onValue={setBy}
          options={BYS.filter((each) => isOperator || each !== "tenant")}
        />
        <Choice label="Plot" value={shown} onValue={setWhat} options={measures} />
        <Choice
          label="Model"
          value={model}
          onValue={setModel}
          options={namesOf(answer.data, "model")}
          any="Any"
        />
        <Choice label="Lab" value={lab} onValue={setLab} options={namesOf(answer.data, "lab")} any="Any" />
      </div>
      {rows.length === 0 ? (
        <p class="empty">
          Nothing was called from {answer.from} to {answer.to}.
        </p>
      ) : (
        <>
          {total.isSimulated && (
            <p class="quiet">Some answers are simulated: they, and what they cost, are made up.</p>
          )}
          <Plot
            plotted={figures}
            label={`${shown} from ${answer.from} to ${answer.to}, by ${chosenBy}; the table has the figures`}
          />
          <Table
            caption={`Usage from ${answer.from} to ${answer.to}, by ${chosenBy}`}
            columns={columnsFor(chosenBy)}
            rows={[...sumsBy(rows, chosenBy), total]}
            keyOf={(sum) => (sum === total ? "total" : `of ${sum.name}`)}
          />
        </>
      )}
    </>
  );
}

const measureOf = (shown: string): Measure =>
  shown === "tokens" || shown === "calls" ? shown : { currency: shown.replace("cost in ", "") };

function columnsFor(by: By): readonly Column<UsageSum>[] {
  return [
    { name: by[0]?.toUpperCase() + by.slice(1), cell: ({ name }) => <Word text={name} /> },
    { name: "Calls", isNumber: true, cell: ({ calls }) => count(calls) },
    { name: "Tokens in", isNumber: true, cell: ({ inputTokens }) => count(inputTokens) },
    { name: "Tokens out", isNumber: true, cell: ({ outputTokens }) => count(outputTokens) },
    {
      name: "Cost",
      isNumber: true,
      cell: ({ costs }) => costs.map((cost) => money(cost)).join(" + ") || "–",
    },
    {
      name: "Cost not known",
      isNumber: true,
      cell: ({ unknownCostCalls }) => (unknownCostCalls === 0 ? "–" : `${count(unknownCostCalls)} calls`),
    },
  ];
}

interface BudgetProps {
  readonly budget: Budget | null;
  /** Whether the answer is about one tenant. */
  readonly isOfOne: boolean;
}

function BudgetNow({ budget, isOfOne }: BudgetProps) {
  if (budget === null)
    return <p class="quiet">{isOfOne ? "There is no budget." : "Choose a tenant to see its budget."}</p>;
  const periods = [budget.day, budget.month].filter((each) => each !== null);
  const sum = (amount: string) => `${shortDecimal(amount)} ${budget.currency}`;
  return (
    <section aria-labelledby="budget">
      <h2 id="budget">Budget</h2>
      <p class="quiet">
        What there is no money for {budget.over === "wait" ? "waits" : "is refused"}. Reserved is put aside
        for calls that are running.
      </p>
      <Table
        caption="Budget now"
        rows={periods}
        keyOf={({ period }) => period}
        columns={[
          { name: "Period", cell: ({ period }) => period },
          {
            name: "Used",
            cell: (period) => {
              const { spent, reserved } = shares(period);
              return (
                <span class="bar-of">
                  <meter
                    min={0}
                    max={1}
                    high={0.9}
                    value={spent + reserved}
                    aria-label={`Spent or reserved of ${period.period}`}
                  />
                  {Math.floor((spent + reserved) * 100)} %
                </span>
              );
            },
          },
          { name: "Limit", isNumber: true, cell: ({ limit }) => sum(limit) },
          { name: "Spent", isNumber: true, cell: ({ spent }) => sum(spent) },
          { name: "Reserved", isNumber: true, cell: ({ reserved }) => sum(reserved) },
          { name: "Left", isNumber: true, cell: ({ remaining }) => sum(remaining) },
          { name: "Begins anew", cell: ({ resets_at }) => <When at={resets_at} /> },
        ]}
      />
    </section>
  );
}
