import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseCatalogue } from "../../../shared/model/catalogue.ts";
import { sha256Hex } from "../../../shared/sha256.ts";
import { parseTenants } from "../../../shared/tenant/tenants.ts";

const root = path.resolve(import.meta.dirname, "../../..");

/** What azd hands to the script: the template's outputs, as they were evaluated. */
const OUTPUTS = {
  AZURE_RESOURCE_GROUP: "rg-first",
  FUNCTION_APP_NAME: "func-abc",
  SERVICE_URL: "https://func-abc.azurewebsites.net",
  CATALOGUE_DEPLOYMENTS: JSON.stringify([
    {
      name: "grok",
      format: "xAI",
      model: "grok-4.7",
      version: "1",
      sku: "GlobalStandard",
      capacity: 1,
      provider: "xai",
      endpoints: ["/v1/chat/completions"],
      capabilities: ["tools"],
      price: { inputPerMillion: "3", outputPerMillion: "15" },
      baseUrl: "https://ai-abc.services.ai.azure.com/openai/v1",
    },
  ]),
};

let folder: string;
/** The script in a project of its own, and programs of azd's and az's names that write down what they were asked. */
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "switchyard-azd-"));
  cpSync(path.join(root, "tools"), path.join(folder, "tools"), { recursive: true });
  symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  writeFileSync(path.join(folder, "package.json"), '{"type":"module"}');
  mkdirSync(path.join(folder, "bin"));
  for (const name of ["azd", "az"]) {
    const program = path.join(folder, "bin", name);
    writeFileSync(program, `#!/bin/sh\necho "${name} $*" >> "${folder}/asked"\n`);
    chmodSync(program, 0o755);
  }
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function run(environment: Record<string, string>): string {
  return execFileSync(process.execPath, [path.join(folder, "tools/azd/postprovision.ts")], {
    encoding: "utf8",
    env: { PATH: `${path.join(folder, "bin")}:${process.env.PATH}`, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
}
const json = (file: string) => JSON.parse(readFileSync(path.join(folder, file), "utf8"));
const asked = () => readFileSync(path.join(folder, "asked"), "utf8");

describe("npm run azd:postprovision", () => {
  it("writes a catalogue and tenants that the app takes, and keeps of each key its hash alone", () => {
    const printed = run(OUTPUTS);
    expect(parseCatalogue(json("models.azure.json"), { settings: {} })).toHaveProperty("catalogue");
    expect(parseTenants(json("tenants.azure.json"), { local: false })).toHaveProperty("tenants");
    const operatorKey = /first operator, shown this once: (\S+)/.exec(printed)?.[1] ?? "";
    const tenantKey = /first-tenant, shown this once: (\S+)/.exec(printed)?.[1] ?? "";
    expect(operatorKey).toMatch(/^sy_\S{43}$/);
    expect(json("tenants.azure.json").tenants[0].key_sha256).toEqual([sha256Hex(tenantKey)]);
    const hash = sha256Hex(operatorKey);
    expect(asked()).toBe(
      `azd env set OPERATOR_KEY_SHA256 ${hash}\naz functionapp config appsettings set -g rg-first -n func-abc --settings OPERATOR_KEY_SHA256=${hash}\n`,
    );
    for (const file of ["models.azure.json", "tenants.azure.json", "asked"])
      expect(readFileSync(path.join(folder, file), "utf8")).not.toMatch(/sy_/);
  });

  it("leaves files and keys that are there as they are", () => {
    run(OUTPUTS);
    const before = [json("models.azure.json"), json("tenants.azure.json")];
    rmSync(path.join(folder, "asked"));
    const printed = run({ ...OUTPUTS, OPERATOR_KEY_SHA256: "a".repeat(64) });
    expect([json("models.azure.json"), json("tenants.azure.json")]).toEqual(before);
    expect(existsSync(path.join(folder, "asked"))).toBe(false);
    expect(printed).not.toContain("sy_");
  });

  it("says in words what is missing", () => {
    expect(() => run({ AZURE_RESOURCE_GROUP: "rg-first" })).toThrow(/CATALOGUE_DEPLOYMENTS is not set/);
  });
});
