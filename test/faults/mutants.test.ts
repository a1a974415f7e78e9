import { describe, expect, it } from "vitest";
import { appWith } from "./app-copy.ts";
import { evidenceOf } from "./campaign.ts";
import { check } from "./checker.ts";
import { RecordingClient } from "./client.ts";
import type { Violation } from "./evidence.ts";
import { PROMISES } from "./evidence.ts";
import { Tally } from "./injector.ts";
import type { Mutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";
import { EventReceiver } from "./receiver.ts";
import { Service } from "./service.ts";

const MAX_ATTEMPTS = 2;
/** What has not ended by then has not; a slow machine makes a bug no smaller, and its absence is not tested here. */
const PATIENCE_MS = 6_000;

/** Runs one job on the app with the bug, and answers what the checker found. */
async function verdictOn(mutant: Mutant): Promise<Violation[]> {
  const app = await appWith(mutant.patches);
  const environment = {
    AzureWebJobsScriptRoot: app.folder,
    MAX_ATTEMPTS: String(MAX_ATTEMPTS),
    DRAIN_SECONDS: "0",
  };
  const service = new Service(environment, { instances: 1, seed: 1 });
  const receiver = new EventReceiver();
  try {
    await service.start();
    await receiver.start();
    await receiver.register(service.stack.url);
    const client = new RecordingClient(service.stack.url, PATIENCE_MS);
    const { prompt = "", ...wish } = mutant.wish;
    const body = { model: "gpt-sim", messages: [{ role: "user", content: `${prompt} Say something.` }] };
    await client.see({ label: "one", tenant: "team-a", key: null, body, ...wish });
    const told = { tally: new Tally(), maxAttempts: MAX_ATTEMPTS, quietMs: PATIENCE_MS, receiver };
    const evidence = await evidenceOf(service, client, told);
    await client.close();
    return check(evidence);
  } finally {
    await service.remove();
    await receiver.stop();
    app.remove();
  }
}

/** Each starts a stack of its own: three in every run, all of them in the long form. */
const inShortForm = new Set(["same_key_same_job", "calls_are_recorded", "costs_add_up"]);
const chosen = MUTANTS.filter(({ promise }) => process.env.LONG === "1" || inShortForm.has(promise));

describe("a bug in each promise is caught by the checker", () => {
  it("knows a bug for every promise", () => {
    expect(new Set(MUTANTS.map(({ promise }) => promise))).toEqual(new Set(PROMISES));
  });

  it.each(chosen)("$promise: $bug", { timeout: 180_000, tags: ["long"] }, async (mutant) => {
    const promises = (await verdictOn(mutant)).map(({ promise }) => promise);
    expect(promises).toContain(mutant.promise);
  });
});
