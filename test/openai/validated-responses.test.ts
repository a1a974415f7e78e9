import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { answer, completion } from "../shared/labs.ts";
import { World } from "../shared/world.ts";
import { DoorHere } from "./in-process.ts";

/** Responses and chat completions whose answers are to hold their own schema, by the real SDK. */
let world: World;
let door: DoorHere;
beforeAll(async () => {
  world = await World.open();
  world.catalogue = world.labs.catalogue(
    ...["openai-one", "xai-two"].map((name) => ({ name, capabilities: ["json_schema"] })),
  );
  door = new DoorHere(world);
  await door.start();
});
afterAll(async () => {
  await door.stop();
  await world.close();
});
beforeEach(() => {
  world.labs.calls.length = 0;
  world.labs.reply("openai-one", answer(200, completion('{"x": "no number"}')));
  world.labs.reply("xai-two", answer(200, completion('{"x": 1}')));
});

const schema = { type: "object", properties: { x: { type: "number" } }, required: ["x"] };
const asked = {
  ...{ model: "both", input: "x?" },
  text: { format: { type: "json_schema" as const, name: "x", schema } },
};
const headers = { "x-switchyard-validate": "true" };

async function turning<T>(work: Promise<T>): Promise<T> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  work.then(end, end);
  await world.turnUntil(async () => {
    door.deliver();
    await new Promise((resolve) => setTimeout(resolve, 1));
    return isOver;
  }, 50);
  return work;
}
const calls = () => world.labs.calls.map(({ deployment }) => deployment);

it("a response goes to the next target, and its header says that it was checked", async () => {
  const client = door.client();
  const { data, response } = await turning(client.responses.create(asked, { headers }).withResponse());
  expect(data.output_text).toBe('{"x": 1}');
  expect(response.headers.get("x-switchyard-validation")).toBe("valid");
  expect(calls()).toEqual(["openai-one", "xai-two"]);
});

it.each([
  ["a client that waits", false],
  ["the background", true],
])("a stream for %s shows the good answer alone", async (_, background) => {
  const client = door.client();
  const deltas: string[] = [];
  const run = async () => {
    const events = await client.responses.create({ ...asked, background, stream: true }, { headers });
    let last: unknown;
    const numbers: number[] = [];
    for await (const event of events) {
      if (event.type === "response.output_text.delta") deltas.push(event.delta);
      numbers.push(event.sequence_number);
      last = event;
    }
    expect(numbers).toEqual(numbers.map((_, at) => at));
    return last as { type: string; response: { id: string } };
  };
  const last = await turning(run());
  expect(last.type).toBe("response.completed");
  expect(deltas.join("")).toBe('{"x": 1}');
  expect(world.labs.calls.some(({ body }) => body.includes('"stream"'))).toBe(false);
  if (!background) return;
  const again = client.responses.stream({ response_id: last.response.id, starting_after: 3 });
  expect((await turning(again.finalResponse())).output_text).toBe('{"x": 1}');
});

it("a chat completion's stream likewise", async () => {
  const client = door.client();
  const stream = client.chat.completions.stream(
    {
      ...{ model: "both", messages: [{ role: "user", content: "x?" }] },
      response_format: { type: "json_schema", json_schema: { name: "x", schema } },
    },
    { headers },
  );
  expect(await turning(stream.finalContent())).toBe('{"x": 1}');
  expect(calls()).toEqual(["openai-one", "xai-two"]);
});

it("without a schema it is refused by the header's name, at once", async () => {
  const create = door.client().responses.create({ model: "both", input: "x?" }, { headers });
  await expect(create).rejects.toMatchObject({ status: 400, param: "x-switchyard-validate" });
  expect(calls()).toEqual([]);
});
