import { expect, it } from "vitest";
import { groupsOf, targeted } from "../../../local/host/function-groups.ts";
import { fakeFunction } from "./functions.ts";

const functions = [
  fakeFunction("sweep", { type: "timerTrigger", schedule: "0 * * * * *" }),
  fakeFunction("run-job", { type: "serviceBusTrigger", queueName: "%QUEUE%" }),
  fakeFunction("get", { route: "get" }),
  fakeFunction("dead", { type: "serviceBusTrigger", queueName: "nudges/$DeadLetterQueue" }),
  fakeFunction("list", { route: "list" }),
  fakeFunction("news", { type: "serviceBusTrigger", topicName: "t", subscriptionName: "s" }),
  fakeFunction("feed", { type: "cosmosDBTrigger" }),
];
const names = (target: string | undefined) => targeted(functions, target).map(({ name }) => name);

it("lets a process listen to the functions of its group alone, to all where none is named", () => {
  expect(names(undefined)).toHaveLength(functions.length);
  expect(names("")).toHaveLength(functions.length);
  expect(names("http")).toEqual(["get", "list"]);
  expect(names("Function:RUN-job")).toEqual(["run-job"]);
  expect(names("run-job")).toEqual([]);
  expect(names("durable")).toEqual([]);
});

it("groups all HTTP functions together and every other one alone, and says what each waits for", () => {
  const config = { maxConcurrentCalls: 64, autoComplete: true, maxAutoLockRenewalMs: 0 };
  const queue = { kind: "queue", queue: "nudges", maxConcurrentCalls: 64 };
  expect(groupsOf(functions, config, { QUEUE: "nudges" })).toEqual([
    { name: "http", source: { kind: "http" } },
    { name: "function:sweep", source: { kind: "timer", name: "sweep" } },
    { name: "function:run-job", source: { ...queue, deadLetters: false } },
    { name: "function:dead", source: { ...queue, deadLetters: true } },
    { name: "function:news", source: { kind: "other" } },
    { name: "function:feed", source: { kind: "other" } },
  ]);
});
