import type { QueryPage } from "./query-page.ts";

export const QUERY_METRICS = "x-ms-documentdb-query-metrics";

const TIMES = [
  "totalExecutionTimeInMs",
  "queryCompileTimeInMs",
  "queryLogicalPlanBuildTimeInMs",
  "queryPhysicalPlanBuildTimeInMs",
  "queryOptimizationTimeInMs",
  "VMExecutionTimeInMs",
  "indexLookupTimeInMs",
  "documentLoadTimeInMs",
  "systemFunctionExecuteTimeInMs",
  "userFunctionExecuteTimeInMs",
  "writeOutputTimeInMs",
];

/** What a page took, for a query that asks for it: counts and sizes. Times are not measured and are 0. */
export function queryMetrics({ looked, lookedChars, count, text }: QueryPage): string {
  const counts = {
    retrievedDocumentCount: looked,
    retrievedDocumentSize: lookedChars,
    outputDocumentCount: count,
    outputDocumentSize: text.length,
    indexUtilizationRatio: (looked === 0 ? 0 : Math.min(1, count / looked)).toFixed(2),
  };
  const all = [...TIMES.map((name) => [name, "0.00"]), ...Object.entries(counts)];
  return all.map(([name, value]) => `${name}=${value}`).join(";");
}
