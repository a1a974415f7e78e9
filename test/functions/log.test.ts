import { InvocationContext, type LogHandler } from "@azure/functions";
import { expect, it } from "vitest";
import { logAs, logOf } from "../../functions/log.ts";

it("a line is one flat JSON object that says when, how bad, who, what, about which job and for which request", () => {
  const lines: [string, unknown][] = [];
  const logHandler: LogHandler = (level, ...said) => void lines.push([level, ...said] as [string, unknown]);
  logAs("host-1-3f2a");
  const log = logOf(new InvocationContext({ invocationId: "r-1", logHandler }));
  log.warn("call_failed", { job_id: "job_1", status_code: 503 });
  log.info("swept");
  expect(lines.map(([level, text]) => [level, JSON.parse(String(text))])).toEqual([
    [
      "warning",
      {
        ...{ time: expect.stringMatching(/^\d{4}-.*Z$/), level: "warning", instance: "host-1-3f2a" },
        ...{ event: "call_failed", job: "job_1", request_id: "r-1", status_code: 503 },
      },
    ],
    [
      "information",
      {
        time: expect.any(String),
        level: "information",
        instance: "host-1-3f2a",
        event: "swept",
        request_id: "r-1",
      },
    ],
  ]);
  expect(lines[0]?.[1]).toSatisfy((text: string) => text.startsWith('{"time":') && !text.includes("\n"));
});
