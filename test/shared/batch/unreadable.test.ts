import type { Container } from "@azure/cosmos";
import { afterAll, afterEach, expect, it } from "vitest";
import type { FileStore } from "../../../shared/files/ports.ts";
import { UnreadableItem } from "../../../shared/store.ts";
import { BatchWorld } from "./batch-world.ts";

/** Items that cannot be read, beneath the app's feet: each costs its own line, and no batch goes on for ever. */
const batches = await BatchWorld.open();
const { world, client } = batches;
afterAll(() => world.close());
afterEach(() => {
  batches.change = {};
  batches.holdsLine = false;
  expect(batches.failures.splice(0)).toEqual([]);
});

const lines = [{ custom_id: "a" }, { custom_id: "b" }, { custom_id: "c" }];
const jobsOf = async (id: string): Promise<{ job_id: string; custom_id: string; status: string }[]> =>
  (await batches.native(`jobs?batch_id=${id}`)).json.data.map((job: { id: string }) => ({
    ...job,
    job_id: job.id,
  }));
async function damage(container: Container, id: string, partition: string[]): Promise<void> {
  const item = container.item(id, partition);
  const { resource } = await item.read<object>();
  await item.replace({ ...resource, v: 99 });
}
/** The clock goes past the batch's time, with the sweeper at work. */
async function afterItsTime(id: string) {
  world.clock.advance(600_000);
  await world.turnUntil(async () => {
    batches.deliver();
    await batches.instance.sweep();
    return (await batches.native(`batches/${id}`)).json.ended;
  }, 5_000);
  return client.batches.retrieve(id);
}

it("an answer that cannot be read lands in the error file, with what it cost", async () => {
  const none = async function* () {};
  batches.change = { batches: Object.assign(Object.create(world.ports.batches), { ended: none }) };
  const made = await batches.create(lines);
  await world.turnUntil(async () => {
    batches.deliver();
    const jobs = await jobsOf(made.id);
    return jobs.length === 3 && jobs.every(({ status }) => status === "completed");
  });
  const [job] = (await jobsOf(made.id)).filter(({ custom_id }) => custom_id === "b");
  await damage(world.jobs, "response", ["team-a", job?.job_id ?? ""]);
  batches.change = {};
  const batch = await batches.ended(made.id);
  expect(batch).toMatchObject({ status: "completed", request_counts: { total: 3, completed: 2, failed: 1 } });
  const { errors, ids } = await batches.both(batch);
  expect(ids).toEqual(["a", "b", "c"]);
  expect(errors).toMatchObject([{ custom_id: "b", response: null, error: { code: "line_unreadable" } }]);
  expect(batch.usage?.total_tokens).toBe(45);
});

it.each(["its time is over", "it is cancelled"])(
  "a job that cannot be read is given up when %s",
  async (when) => {
    const made = await batches.create(lines, { completion_window: "10m" as never });
    batches.holdsLine = true;
    await world.turnUntil(async () => {
      batches.deliver();
      return (await jobsOf(made.id)).length === 3;
    });
    const [job] = (await jobsOf(made.id)).filter(({ custom_id }) => custom_id === "b");
    await damage(world.jobs, "job", ["team-a", job?.job_id ?? ""]);
    batches.holdsLine = false;
    await batches.until(made.id, ({ request_counts }) => request_counts?.completed === 2, 500);
    if (when === "it is cancelled") await client.batches.cancel(made.id);
    const batch =
      when === "it is cancelled" ? await batches.ended(made.id, 1_000) : await afterItsTime(made.id);
    expect(batch.request_counts).toEqual({ total: 3, completed: 2, failed: 1 });
    const { errors, ids } = await batches.both(batch);
    expect(ids).toEqual(["a", "b", "c"]);
    expect(errors).toMatchObject([{ custom_id: "b", error: { code: "line_unreadable" } }]);
    expect((await batches.native(`batches/${made.id}`)).json.unknown_cost_lines).toBe(1);
  },
);

it("a batch of which nobody can tell how far it is has failed once its time is over", async () => {
  const made = await batches.create(lines, { completion_window: "10m" as never });
  batches.holdsLine = true;
  await batches.until(made.id, ({ status }) => status === "in_progress");
  await world.settled();
  await damage(world.jobs, "progress", ["team-a", made.id]);
  batches.holdsLine = false;
  const batch = await afterItsTime(made.id);
  expect(batch).toMatchObject({ status: "failed", errors: { data: [{ code: "batch_unreadable" }] } });
});

it("an input that cannot be read is refused, and one that cannot be read any more is run as far as it was", async () => {
  const unreadable = async () => {
    throw new UnreadableItem("page", "page-0", "it is gone");
  };
  const files = (readPage: FileStore["readPage"]) =>
    Object.assign(Object.create(world.ports.files), { readPage }) as FileStore;
  batches.change = { files: files(unreadable) };
  const refused = await batches.ended((await batches.create(lines)).id);
  expect(refused).toMatchObject({ status: "failed", errors: { data: [{ code: "input_modified" }] } });
  let reads = 0;
  batches.change = {
    files: files((key, page) => (reads++ === 0 ? world.ports.files.readPage(key, page) : unreadable())),
  };
  const cut = await batches.ended((await batches.create(lines)).id);
  expect(cut).toMatchObject({ status: "completed", request_counts: { total: 0 } });
  expect(cut.errors?.data?.[0]).toMatchObject({ code: "input_modified", line: 1 });
});
