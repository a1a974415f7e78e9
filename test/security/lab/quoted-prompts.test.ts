import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { deleteJobContent } from "../../../shared/job/ending/delete-content.ts";
import { unquoted } from "../../../shared/model/unquoted.ts";
import { answer, type Reply } from "../../shared/labs.ts";
import { silent, World } from "../../shared/world.ts";

/** Labs quote what they were sent: none of it outlives the erasure of its job. */
let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(() => world.close());

const PROMPT = "My diagnosis is a secret of the patient Anna Example";

async function jobWith(reply: Reply) {
  world.labs.reply("openai-one", reply);
  const content = JSON.stringify(`${PROMPT}\nand more`);
  const bodyText = `{"model":"openai-one-model","messages":[{"role":"user","content":${content}}]}`;
  const key = await world.accepted({ bodyText, metadata: { note: PROMPT } });
  await world.instance().run(key);
  return key;
}

const stored = async ({ tenant_id, job_id }: { tenant_id: string; job_id: string }) => {
  const partitionKey = [tenant_id, job_id];
  return JSON.stringify(
    (await world.jobs.items.query("SELECT * FROM c", { partitionKey }).fetchAll()).resources,
  );
};
const said = (status: number) =>
  answer(status, { error: { message: `Invalid value: '${PROMPT}\nand more'` } });

it("a refusal that quotes the prompt is told whole, and nothing of it is left once it is erased", async () => {
  const key = await jobWith(said(400));
  const { job, trail } = await world.seen(key);
  expect(job).toMatchObject({ status: "failed", error: { message: expect.stringContaining(PROMPT) } });
  // The trail is kept, so it never had it.
  expect(trail.at(-1)?.message).toBe("HTTP 400: Invalid value: '[…]'");
  await deleteJobContent({ ...world.instance().service, log: silent } as never, key, "team-a/key:1");
  const left = await stored(key);
  for (const piece of ["diagnosis", "Anna", "patient", "and more"]) expect(left).not.toContain(piece);
  expect((await world.seen(key)).events.at(-1)).toBe("content_deleted");
});

it("neither has the trail it of a passing fault, of an answer that is none, and of a refused credential", async () => {
  const page = `<h1>${PROMPT}</h1>`;
  for (const reply of [said(500), said(401), answer(200, page), answer(200, { error: PROMPT })]) {
    const { trail } = await world.seen(await jobWith(reply));
    expect(JSON.stringify(trail)).not.toMatch(/diagnosis|Anna/);
  }
});

describe("words about a credential, a role, a name or the network", () => {
  it.each([
    [401, "credential_refused"],
    [403, "not_permitted"],
    [404, "deployment_unknown"],
  ])("%i: the tenant hears %s", async (status, code) => {
    const { job, trail } = await world.seen(
      await jobWith(answer(status, { error: { message: "at 10.0.0.5" } })),
    );
    expect(trail[2]?.message).toBe(`HTTP ${status}: ${code}`);
    expect(job.last_failure).toBe(`openai-one: HTTP ${status}: ${code}`);
    expect(await stored(job)).not.toContain("10.0.0.5");
  });
});

describe("words without what they quote", () => {
  const body = (content: string) => JSON.stringify({ model: "gpt", messages: [{ role: "user", content }] });

  it("keep what is the lab's own", () => {
    expect(unquoted("The model `gpt` is busy", body("Hello"))).toBe("The model `gpt` is busy");
    expect(unquoted("no such file: Invoice 4711 of May!", body("Pay Invoice 4711 of May"))).toBe(
      "no such file:[…]!",
    );
    expect(unquoted("bad name Johnny", body("Johnny"))).toBe("bad name […]");
  });

  it("have no piece of 12 characters of any prompt, wherever it stands", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12 }), fc.string(), fc.string(), (prompt, before, after) => {
        const told = unquoted(before + prompt + after, body(prompt));
        const spaced = prompt.replace(/\s+/g, " ");
        for (let at = 0; at + 12 <= spaced.length; at++)
          expect(told.includes(spaced.slice(at, at + 12))).toBe(false);
      }),
    );
  });
});
