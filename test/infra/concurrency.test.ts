import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { settingsSchema } from "../../shared/settings.ts";

it("an instance takes as many requests as the app works on and holds together", () => {
  const bicep = readFileSync(path.resolve(import.meta.dirname, "../../infra/main.bicep"), "utf8");
  const concurrency = Number(/^param httpConcurrency int = (\d+)$/m.exec(bicep)?.[1]);
  const { MAX_REQUESTS_IN_FLIGHT, MAX_HELD_CALLS } = settingsSchema.shape;
  const together = MAX_REQUESTS_IN_FLIGHT.parse(undefined) + MAX_HELD_CALLS.parse(undefined);
  expect(together).toBeLessThanOrEqual(concurrency);
});
