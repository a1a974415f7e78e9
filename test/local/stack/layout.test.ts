import { expect, it } from "vitest";
import { CommandLineInvalid, HELP, readLayout } from "../../../local/stack/layout.ts";

const read = (line: string) => readLayout(line.split(" ").filter(Boolean), () => 7);

it.each([
  ["", { instances: 1, split: false, freeze: undefined, telemetry: false, seed: 7 }],
  ["--instances 3", { instances: 3, split: false, freeze: undefined, telemetry: false, seed: 7 }],
  ["--telemetry", { instances: 1, split: false, freeze: undefined, telemetry: true, seed: 7 }],
  ["--split", { instances: 1, split: true, freeze: undefined, telemetry: false, seed: 7 }],
  [
    "--split --freeze --instances=2",
    { instances: 2, split: true, freeze: "drain", telemetry: false, seed: 7 },
  ],
  [
    "--freeze=hard --seed 0 --split",
    { instances: 1, split: true, freeze: "hard", telemetry: false, seed: 0 },
  ],
  ["-h", undefined],
  ["--split --help", undefined],
])("reads «%s»", (line, layout) => {
  expect(read(line)).toEqual(layout);
});

it.each([
  ["--instances 0", '--instances must be 1 to 64; it is "0".'],
  ["--instances 65", "1 to 64"],
  ["--instances 2.5", "1 to 64"],
  ["--instances", "--instances"],
  ["--instance 2", "--instance"],
  ["--freeze", "--freeze needs --split"],
  ["--split --freeze=soft", '"--freeze=soft"'],
  ["--split --freeze hard", "hard"],
  ["--split --seed 1", "--seed needs --freeze"],
  ["--split --freeze --seed -1", "--seed"],
  ["--split --freeze --seed 1.5", "--seed must be 0 to 4294967295"],
  ["--split=yes", "--split"],
  ["more", "more"],
])("says what is wrong with «%s»", (line, text) => {
  expect(() => read(line)).toThrow(CommandLineInvalid);
  expect(() => read(line)).toThrow(text);
});

it("lists every option in its help", () => {
  for (const option of ["--instances N", "--split", "--freeze", "--freeze=hard", "--seed N", "--help"])
    expect(HELP).toContain(`  ${option} `);
});
