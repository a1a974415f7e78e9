import { afterAll, expect, it } from "vitest";
import { BatchWorld, jsonl, lineOf } from "./batch-world.ts";

const batches = await BatchWorld.open();
const { world } = batches;
afterAll(() => world.close());

it("a tenant's large batch does not keep another's small one waiting", async () => {
  world.catalogue = world.labs.catalogue({ name: "openai-one", limits: { requests_per_minute: 60 } });
  const many = (count: number, says: string) =>
    Array.from({ length: count }, (_, n) => ({ custom_id: `${says} ${n}`, says }));
  const large = await batches.create(many(40, "large"));
  await batches.until(large.id, ({ request_counts }) => (request_counts?.completed ?? 0) >= 3, 250);
  const before = world.labs.calls.length;
  const file = new File([jsonl(many(5, "small").map(lineOf))], "in.jsonl");
  const { id } = await batches.other.files.create({ file, purpose: "batch" });
  const made = await batches.other.batches.create({
    ...{ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" },
  });
  const calls = () => world.labs.calls.slice(before).map(({ body }) => body.includes("small"));
  await world.turnUntil(async () => {
    batches.deliver();
    return calls().filter((isSmall) => isSmall).length === 5;
  }, 250);
  const larges = calls().filter((isSmall) => !isSmall).length;
  // Turn by turn, but for the calls that the large one made until the small one's lines stood in line.
  expect(larges).toBeLessThanOrEqual(10);
  expect(larges).toBeGreaterThanOrEqual(3);
  await world.turnUntil(async () => {
    batches.deliver();
    return (await batches.other.batches.retrieve(made.id)).status === "completed";
  }, 250);
  expect(batches.failures).toEqual([]);
});
