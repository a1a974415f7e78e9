import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CosmosClient } from "@azure/cosmos";
import { afterEach, beforeEach, expect, it } from "vitest";
import { EMULATOR_KEY } from "../../../local/cosmos/authorization.ts";
import { type RunningCosmos, startCosmos } from "../../../local/cosmos/server.ts";

const MAIN = fileURLToPath(new URL("../../../local/host/main.ts", import.meta.url));
const APP = fileURLToPath(new URL("../../fixtures/feed-app", import.meta.url));

let folder: string;
let cosmos: RunningCosmos;
let connection: string;
let started: ChildProcess[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "feed-hosts-"));
  cosmos = await startCosmos({ port: 0, databaseFile: ":memory:" });
  connection = `AccountEndpoint=http://127.0.0.1:${cosmos.port}/;AccountKey=${EMULATOR_KEY};`;
  started = [];
});
afterEach(async () => {
  for (const child of started) child.kill("SIGKILL");
  await cosmos.close();
  rmSync(folder, { recursive: true });
});

async function host(hangs: boolean): Promise<ChildProcess> {
  const child = fork(MAIN, [], {
    env: {
      ...{ AzureWebJobsScriptRoot: APP, DATA_DIR: folder, PORT: "0", COSMOS: connection },
      ...{ FIXTURE_NOTES: join(folder, "notes"), FIXTURE_HANGS: hangs ? "yes" : "no" },
    },
    execArgv: [],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  started.push(child);
  await once(child, "message");
  return child;
}

/** The pages that were handed on, with the process each ran in. */
function notes(): { pid: number; ids: string[] }[] {
  const file = join(folder, "notes");
  if (!existsSync(file)) return [];
  // Whole lines alone: the last one may still be written.
  return readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

it("a second host process takes a killed one's change feed over: its page comes again, and nothing is left out", {
  tags: ["long"],
}, async () => {
  const client = new CosmosClient(connection);
  const { database } = await client.databases.create({ id: "d" });
  const { container } = await database.containers.create({ id: "c", partitionKey: { paths: ["/id"] } });
  for (const id of ["a", "b", "stuck", "c", "d"]) await container.items.create({ id });
  const first = await host(true);
  await expect.poll(() => notes().length).toBe(2);
  const second = await host(false);
  first.kill("SIGKILL");
  await once(first, "exit");
  await expect.poll(() => notes().length).toBe(4);
  await container.items.create({ id: "e" });
  await expect.poll(() => notes().length).toBe(5);
  const pages = [["a", "b"], ["stuck", "c"], ["stuck", "c"], ["d"], ["e"]];
  client.dispose();
  expect(notes().map(({ ids }) => ids)).toEqual(pages);
  expect(notes().map(({ pid }) => pid)).toEqual([
    ...[first.pid, first.pid],
    ...[second.pid, second.pid, second.pid],
  ]);
});
