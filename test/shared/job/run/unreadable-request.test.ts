import { expect, it } from "vitest";
import { runJob } from "../../../../shared/job/run/run.ts";
import { NudgeList, workerOn } from "../../world.ts";
import { JobWorld } from "../job-world.ts";

const world = new JobWorld();

it("a request that cannot be read waits for a host that can, and ends its job at the deadline", async () => {
  const { clock, store, opened, labs } = world;
  const nudge = await world.accepted({ deadlineMs: clock.now() + 60_000 });
  const item = opened.jobs.item("request", [nudge.tenant_id, nudge.job_id]);
  const { resource } = await item.read<object>();
  await item.replace({ ...resource, body: undefined, manifest: { count: 3 } } as never);
  const nudges = new NudgeList();
  const worker = workerOn({ store, clock, nudges, catalogue: labs.catalogue("openai-one") });
  await runJob(worker, nudge);
  expect((await world.seen(nudge)).job.status).toBe("queued");
  expect(nudges.sent).toMatchObject([{ nudge: { job_id: nudge.job_id, looks: 1 } }]);
  clock.advance(60_000);
  await runJob(worker, nudge);
  const { job } = await world.seen(nudge);
  expect(job).toMatchObject({ status: "failed", error: { code: "request_lost" } });
  expect(labs.calls).toHaveLength(0);
});
