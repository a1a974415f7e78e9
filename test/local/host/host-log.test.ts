import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { createHostLog, levelOf } from "../../../local/host/host-log.ts";

const LEVELS = { default: "Warning", Function: "Information", "Function.noisy": "None", Host: "Trace" };

it.each([
  ["Function.run-job.User", "information"],
  ["Function.noisy.User", "none"],
  ["Functional", "warning"],
  ["Host.Startup", "trace"],
  ["Worker", "warning"],
])("%s is logged from %s on", (category, level) => {
  expect(levelOf(category, LEVELS)).toBe(level);
});

it("writes one JSON object a line, in order, what is loud enough", () => {
  const written: string[] = [];
  const log = createHostLog(
    LEVELS,
    "host-1",
    () => 0,
    (text) => written.push(text),
  );
  log.write("information", "Function.a.User", "one\ntwo");
  log.write("debug", "Function.a.User", "too quiet");
  log.write("error", "Worker", "{three");
  const own = { time: "t", instance: "i", event: "call_failed", job: "job_1", request_id: "r" };
  log.write("error", "Function.a.User", JSON.stringify(own));
  log.flush();
  expect(
    written
      .join("")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    {
      time: "1970-01-01T00:00:00.000Z",
      level: "information",
      instance: "host-1",
      event: "Function.a.User",
      message: "one\ntwo",
    },
    {
      ...{ time: "1970-01-01T00:00:00.000Z", level: "error", instance: "host-1", event: "Worker" },
      message: "{three",
    },
    { ...own, level: "error", category: "Function.a.User" },
  ]);
});

it("never writes more at once than a pipe takes as one, but for a longer line", () => {
  const written: string[] = [];
  const log = createHostLog(
    {},
    "host-1",
    () => 0,
    (text) => written.push(text),
  );
  for (let i = 0; i < 100; i++) log.write("information", "Host", "x".repeat(300));
  log.flush();
  expect(written.length).toBeGreaterThan(1);
  for (const text of written) {
    expect(text.length).toBeLessThanOrEqual(4096);
    expect(text.endsWith("\n")).toBe(true);
  }
});

it("on a full disk ends no process: what cannot be written is dropped", () => {
  const module = path.resolve(import.meta.dirname, "../../../local/host/host-log.ts");
  const script = `import { createHostLog } from ${JSON.stringify(module)};
    const log = createHostLog({}, "host-1");
    log.write("information", "Host", "x");
    log.flush();`;
  const full = openSync("/dev/full", "w");
  const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", full, "pipe"],
  });
  closeSync(full);
  expect([status, stderr.toString()]).toEqual([0, ""]);
});
