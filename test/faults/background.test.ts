import { expect, it } from "vitest";
import { checkBackground } from "./background.ts";
import type { BackgroundCall } from "./background-client.ts";
import type { Evidence } from "./evidence.ts";

const event = (number: number, delta?: string) => ({
  ...{ number, type: "response.output_text.delta" },
  ...(delta === undefined ? {} : { delta }),
});
const whole = { status: "completed", text: "The Rhine" };
const call: BackgroundCall = {
  ...{ id: "resp_1", resumes: 1, final: whole, read: whole },
  events: [event(0), event(1, "The "), event(2, "The "), event(3, "Rhine")],
};

function found(change: Partial<BackgroundCall>, stale: object[] = []): string[] {
  const evidence = { background: [{ ...call, ...change }], stale };
  const promises: string[] = [];
  checkBackground(evidence as unknown as Evidence, (promise) => promises.push(promise));
  return promises;
}

it("knows a stream that shows each number once, in order, and in the end what is stored", () => {
  expect(found({})).toEqual([]);
  expect(found({ id: null, events: [] })).toEqual([]);
  const [first, second, third, last] = call.events;
  if (first === undefined || second === undefined || third === undefined || last === undefined)
    throw new Error();
  for (const events of [
    [first, second, last],
    [first, second, second, third, last],
    [second, first, third, last],
  ])
    expect(found({ events })).toContain("streams_are_whole");
  expect(found({ events: call.events.slice(0, 3) })).toEqual(["streams_are_whole"]);
});

it("knows an end that is not what is stored, or that never came", () => {
  const other = { status: "completed", text: "The Po" };
  expect(found({ read: other })).toEqual(["streams_are_whole"]);
  expect(found({ read: { status: "failed", text: "" } })).toEqual(["streams_are_whole"]);
  const { final: _, ...endless } = call;
  const evidence = { background: [endless], stale: [] } as unknown as Evidence;
  const promises: string[] = [];
  checkBackground(evidence, (promise) => promises.push(promise));
  expect(promises).toEqual(["streams_are_whole"]);
  // A replica that lags may show less.
  expect(found({ read: other }, [{ from: 1, to: 2 }])).toEqual([]);
});
