import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { catalogueOf, firstTenants } from "./files.ts";

/**
 * `npm run azd:postprovision`, which `azd up` runs between provisioning and packaging. Writes models.azure.json from
 * the template's outputs. The first time it also makes an operator's key and a tenant's key: only their SHA-256 are
 * kept (an app setting, and tenants.azure.json), the keys are printed once. Files that are there stay: they are yours.
 */
const root = path.resolve(import.meta.dirname, "../..");
const { CATALOGUE_DEPLOYMENTS, AZURE_RESOURCE_GROUP, FUNCTION_APP_NAME, OPERATOR_KEY_SHA256, SERVICE_URL } =
  process.env;

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const newKey = () => `sy_${randomBytes(32).toString("base64url")}`;
const run = (command: string, args: readonly string[]) =>
  execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"] });

function needed(name: string, value: string | undefined): string {
  if (value === undefined || value === "") throw new Error(`${name} is not set: run this through azd.`);
  return value;
}

function writeOnce(file: string, content: () => object): boolean {
  const full = path.join(root, file);
  if (existsSync(full)) {
    console.log(`${file} is there already and stays as it is.`);
    return false;
  }
  writeFileSync(full, `${JSON.stringify(content(), null, 2)}\n`);
  console.log(`${file} is written.`);
  return true;
}

try {
  const deployments = needed("CATALOGUE_DEPLOYMENTS", CATALOGUE_DEPLOYMENTS);
  const group = needed("AZURE_RESOURCE_GROUP", AZURE_RESOURCE_GROUP);
  const app = needed("FUNCTION_APP_NAME", FUNCTION_APP_NAME);
  writeOnce("models.azure.json", () => catalogueOf(deployments));

  const tenantKey = newKey();
  const madeTenant = writeOnce("tenants.azure.json", () => firstTenants(sha256(tenantKey)));
  if (madeTenant) console.log(`Key of the tenant first-tenant, shown this once: ${tenantKey}`);

  if (OPERATOR_KEY_SHA256 === undefined || OPERATOR_KEY_SHA256 === "") {
    const operatorKey = newKey();
    const hash = sha256(operatorKey);
    // First remembered, so that the next `azd provision` sets it again.
    run("azd", ["env", "set", "OPERATOR_KEY_SHA256", hash]);
    const setting = `OPERATOR_KEY_SHA256=${hash}`;
    run("az", ["functionapp", "config", "appsettings", "set", "-g", group, "-n", app, "--settings", setting]);
    console.log(`Key of the first operator, shown this once: ${operatorKey}`);
  }
  console.log(`The service will answer at ${SERVICE_URL ?? "the app's address"}; next, azd deploys it.`);
} catch (thrown) {
  console.error(`postprovision: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  process.exitCode = 1;
}
