import { readdirSync, readFileSync, statSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stack } from "../../end-to-end/stack.ts";

/** Who else is on the machine or in its browser: other users, web pages, caches on the way. */
const outer = new Stack();
const dataDir = path.join(outer.folder, "data");
const stack = new Stack({ DATA_DIR: dataDir });
beforeAll(() => stack.start());
afterAll(async () => {
  await stack.remove();
  await outer.remove();
});

it("DATA_DIR and all that is in it are their user's alone", () => {
  const mode = (file: string) => (statSync(file).mode & 0o777).toString(8);
  expect(mode(dataDir)).toBe("700");
  const files = readdirSync(dataDir);
  expect(files).toEqual(expect.arrayContaining(["cosmos.db", "service-bus.db", "model-endpoints.db"]));
  for (const file of files) expect([file, mode(path.join(dataDir, file))]).toEqual([file, "600"]);
});

describe("control addresses are for this machine's own programs", () => {
  const addresses = () => {
    const { control, model_endpoints_port } = JSON.parse(
      readFileSync(path.join(dataDir, "emulators.json"), "utf8"),
    );
    return [control, `http://127.0.0.1:${model_endpoints_port}/_control`];
  };
  const get = (url: string, headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      request(url, { headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .once("error", reject)
        .end();
    });
  it.each([
    ["a page of another origin", { origin: "https://evil.example" }],
    ["a page without one", { "sec-fetch-site": "cross-site" }],
    ["a name that was made to lead here", { host: "evil.example" }],
  ])("not for %s", async (_, headers) => {
    for (const address of addresses()) expect([address, await get(address, headers)]).toEqual([address, 403]);
  });
  it("for which they work", async () => {
    for (const address of addresses()) expect(await get(address, {})).toBe(200);
  });
});

it.each([
  ["/api/jobs", {}],
  ["/api/jobs/none", {}],
  ["/api/jobs/none/audit", {}],
  ["/api/models", {}],
  ["/api/usage", {}],
  ["/api/health", { key: null }],
  ["/api/openapi.json", { key: null }],
  ["/api/jobs", { key: null }],
  ["/api/jobs", { key: "wrong" }],
  ["/api/jobs", { text: "{" }],
  ["/api/nothing", {}],
  ["/api/jobs", { method: "PUT", text: "{}" }],
  ["/api/ops/status", { key: "local-operator" }],
])("an answer of %s %j is kept by no cache, and is what it says", async (route, call) => {
  const { headers } = await stack.call(route, call);
  expect(headers.get("cache-control")).toBe("private, no-store");
  expect(headers.get("vary")).toBe("Authorization, api-key");
  expect(headers.get("x-content-type-options")).toBe("nosniff");
});
