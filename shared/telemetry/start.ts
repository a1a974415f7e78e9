import type { Settings } from "../settings.ts";
import type { OpenTelemetryDeps } from "./open-telemetry.ts";
import { noTelemetry, type Telemetry } from "./telemetry.ts";

/** Loads what sends it, only where it goes somewhere. */
export async function startTelemetry(
  { to, share }: Settings["telemetry"],
  deps: Omit<OpenTelemetryDeps, "processor" | "reader" | "share">,
): Promise<Telemetry> {
  if (to === "nowhere") return noTelemetry;
  const { toCollector, toLines } = await import("./exporters.ts");
  return to === "collector"
    ? toCollector({ ...deps, share })
    : toLines({ ...deps, share }, (line) => void process.stdout.write(line));
}
