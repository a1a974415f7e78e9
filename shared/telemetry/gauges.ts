import type { Telemetry } from "./telemetry.ts";

/** What a process can be asked at any time. */
export interface Gauged {
  /** Since the last turn of the sweep here; undefined: there was none. */
  sweepAgeMs(): number | undefined;
  /** Jobs in the line, as this process knows it. */
  lineJobs(): number;
  /** Deployments by name, and whether each one's breaker lets calls through. */
  breakers(): readonly { readonly deployment: string; readonly isClosed: boolean }[];
}

export function tellGauges(telemetry: Pick<Telemetry, "gauge">, of: Gauged): void {
  telemetry.gauge("switchyard.sweeper.age", () => {
    const ageMs = of.sweepAgeMs();
    return ageMs === undefined ? [] : [{ value: ageMs / 1000 }];
  });
  telemetry.gauge("switchyard.line.jobs", () => [{ value: of.lineJobs() }]);
  telemetry.gauge("switchyard.breaker.open", () =>
    of
      .breakers()
      .map(({ deployment, isClosed }) => ({ value: isClosed ? 0 : 1, attributes: { deployment } })),
  );
}
