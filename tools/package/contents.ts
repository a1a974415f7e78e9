import { globSync, readFileSync } from "node:fs";
import path from "node:path";

/** The files of the project that the deployed app consists of. .funcignore says the same to Azure's own tools. */
export const DEPLOYED = [
  "host.json",
  "models.json",
  "tenants.json",
  // Written by postprovision, where the service was deployed from this folder.
  "models.azure.json",
  "tenants.azure.json",
  "dist/console/**",
  "dist/functions/**",
  "dist/node_modules/**",
] as const;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly type: string;
  readonly main: string;
  readonly engines: object;
}

/** The app's own package.json: all it requires is in the bundle, so that nothing is to be installed. */
export function deployedManifest({ name, version, license, type, main, engines }: Manifest): string {
  return `${JSON.stringify({ name, version, private: true, license, type, main, engines }, null, 2)}\n`;
}

/**
 * The deployed app's files by their path from its root, sorted.
 * @param root the project's folder, built
 * @throws where it was not built
 */
export function packageContents(root: string): ReadonlyMap<string, Uint8Array> {
  const files = DEPLOYED.flatMap((pattern) => globSync(pattern, { cwd: root, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"));
  if (!files.includes("dist/functions/index.js"))
    throw new Error("dist/functions is missing: run npm run build.");
  const manifest = deployedManifest(JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")));
  const contents = new Map<string, Uint8Array>(
    files.map((file) => [file, readFileSync(path.join(root, file))] as const),
  );
  contents.set("package.json", new TextEncoder().encode(manifest));
  return new Map([...contents].sort(([a], [b]) => (a < b ? -1 : 1)));
}
