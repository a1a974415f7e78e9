import { afterAll, expect, it } from "vitest";
import { World } from "../../world.ts";

const world = await World.open();
afterAll(() => world.close());

it("a request that cannot be read waits for a host that can, and ends its job at the deadline", async () => {
  const { clock, labs, nudges } = world;
  const worker = world.instance();
  const nudge = await world.accepted({ deadlineMs: clock.now() + 60_000 });
  const item = world.jobs.item("request", [nudge.tenant_id, nudge.job_id]);
  const { resource } = await item.read<object>();
  await item.replace({ ...resource, body: undefined, manifest: { count: 3 } } as never);
  await worker.run(nudge);
  expect((await world.seen(nudge)).job.status).toBe("queued");
  expect(nudges.sent).toMatchObject([{ nudge: { job_id: nudge.job_id, looks: 1 } }]);
  clock.advance(60_000);
  await worker.run(nudge);
  const { job } = await world.seen(nudge);
  expect(job).toMatchObject({ status: "failed", error: { code: "request_lost" } });
  expect(labs.calls).toHaveLength(0);
});
