import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseCatalogue } from "../../shared/model/catalogue.ts";
import { Stack } from "./stack.ts";

/** What a reader copies out of the documentation does what the text beside it says. */
const root = path.resolve(import.meta.dirname, "../..");
const stack = new Stack();
beforeAll(() => stack.start());
afterAll(() => stack.remove());

const DOCUMENTED_URL = "http://127.0.0.1:7071";

/** The code blocks of a page in one language. */
function blocks(page: string, language: string): string[] {
  const text = readFileSync(path.join(root, page), "utf8");
  return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , code = ""]) => code);
}

/** What a snippet prints, the status after each answer. */
async function printed(snippet: string): Promise<string> {
  const curl = String.raw`curl() { command curl --silent --write-out '\n%{http_code}\n' "$@"; }`;
  const script = `set -eu\n${curl}\n${snippet.replaceAll(DOCUMENTED_URL, stack.url)}`;
  return (await promisify(execFile)("sh", ["-c", script])).stdout;
}

/** The status of each request that a snippet makes, and the JSON that came back. */
async function run(snippet: string): Promise<{ status: number; body: Record<string, unknown> }[]> {
  const stdout = await printed(snippet);
  return [...stdout.matchAll(/^(\{.*\})\n(\d{3})$/gm)].map(([, body = "", status]) => ({
    status: Number(status),
    body: JSON.parse(body),
  }));
}

describe.each([
  ...["README.md", "docs/api.md", "docs/openai.md", "docs/webhooks.md", "docs/comparisons.md"],
  "docs/management.md",
])("the commands of %s", (page) => {
  const snippets = blocks(page, "sh").filter((code) => code.includes("curl "));

  it("are requests that the service takes", async () => {
    expect(snippets.length).toBeGreaterThan(0);
    for (const snippet of snippets) {
      const answers = await run(snippet);
      expect(answers.length).toBe(snippet.match(/^curl /gm)?.length);
      for (const { status, body } of answers) expect([snippet, status, body]).toSatisfy(() => status < 300);
    }
  });
});

it("the first job of README.md has the id that it says, completes, and has a whole trail", async () => {
  const [submit = "", look = ""] = blocks("README.md", "sh").filter((code) => code.includes("curl "));
  const [submitted] = await run(submit);
  const text = readFileSync(path.join(root, "README.md"), "utf8");
  expect(text).toContain(`{"id": "${submitted?.body.id}"`);
  const [job, trail] = await run(look);
  expect(job?.body).toMatchObject({ id: submitted?.body.id, status: "completed", simulated: true });
  expect(trail?.body.data).toHaveLength(3);
});

it.each(["README.md", "docs/openai.md", "docs/webhooks.md"])(
  "the SDK's example in %s prints an answer",
  async (page) => {
    const [code = ""] = blocks(page, "js");
    const program = code.replaceAll(DOCUMENTED_URL, stack.url);
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "--eval", program],
      {
        cwd: root,
      },
    );
    expect(stdout.trim()).not.toBe("");
  },
);

it("the held submit of docs/api.md is answered with the job's response", async () => {
  const [held = ""] = blocks("docs/api.md", "sh");
  expect((await run(held))[0]?.body).toMatchObject({ status: "completed", response: { status_code: 200 } });
});

describe("the commands of docs/operations.md", () => {
  const snippets = blocks("docs/operations.md", "sh").filter((code) => code.includes("curl "));

  it.each(snippets)("are requests that the service takes: %s", async (snippet) => {
    const answers = await run(`URL=${DOCUMENTED_URL}\nOPERATOR_KEY=local-operator\n${snippet}`);
    expect(answers.length).toBe(snippet.match(/^(curl|ops) /gm)?.length);
    // The dead letter that it names is the reader's.
    const ofReaders = snippet.includes("dl_…") ? [404] : [];
    expect(answers.map(({ status }) => status).filter((status) => status >= 300)).toEqual(ofReaders);
  });
});

it("the catalogue of README.md is one", () => {
  const [catalogue = ""] = blocks("README.md", "json");
  expect(parseCatalogue(JSON.parse(catalogue), { settings: {} })).toHaveProperty("catalogue");
});

it("the faults of docs/local.md are made, and go with an empty order", async () => {
  const { control } = JSON.parse(readFileSync(path.join(stack.folder, "emulators.json"), "utf8"));
  const [ordered = ""] = blocks("docs/local.md", "sh").filter((code) => code.includes("/faults"));
  expect(await printed(ordered.replace("http://127.0.0.1:PORT/", control))).toMatch(/^20\d$/m);
  const none = { service_bus: { seed: 1, rules: [] } };
  await fetch(`${control}faults`, { method: "POST", body: JSON.stringify(none) });
});
