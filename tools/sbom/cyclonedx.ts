import { createHash } from "node:crypto";

/** What package-lock.json says of one package. */
export interface LockedPackage {
  readonly name?: string;
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}
export type LockedPackages = Readonly<Record<string, LockedPackage>>;

/** Packages that are deployed with the app, the packages of its packages included, by their folder. */
export function deployed(packages: LockedPackages): [folder: string, locked: LockedPackage][] {
  const isDeployed = ({ dev, devOptional, optional }: LockedPackage) => !(dev || devOptional || optional);
  return Object.entries(packages).filter(([folder, locked]) => folder !== "" && isDeployed(locked));
}

const nameOf = (folder: string) => folder.replace(/^.*node_modules\//, "");
const purlOf = (folder: string, { version }: LockedPackage) =>
  `pkg:npm/${nameOf(folder).replace("@", "%40")}@${version}`;

/**
 * A CycloneDX 1.6 document of what is deployed, made of the lock file alone: the same for the same file. npm's own
 * `npm sbom --omit dev` leaves out what development needs too (npm 11).
 * @throws TypeError where a package has no hash
 */
export function cycloneDx(packages: LockedPackages): object {
  const { name = "app", version } = packages[""] ?? { version: "0" };
  const root = { type: "application", "bom-ref": `${name}@${version}`, name, version };
  const list = deployed(packages);
  const refs = new Map(list.map(([folder, locked]) => [folder, purlOf(folder, locked)]));
  // The same version in two folders is one component.
  const components = new Map(list.map(([folder, locked]) => [refs.get(folder), componentOf(folder, locked)]));
  const edges = new Map<string, Set<string>>();
  for (const [folder, locked] of [["", packages[""] ?? { version }] as const, ...list]) {
    const from = refs.get(folder) ?? root["bom-ref"];
    const to = edges.get(from) ?? new Set();
    for (const wanted of Object.keys(locked.dependencies ?? {})) {
      const found = refs.get(resolved(folder, wanted, packages) ?? "");
      if (found !== undefined) to.add(found);
    }
    edges.set(from, to);
  }
  const digest = createHash("sha256").update(JSON.stringify(packages)).digest("hex");
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${digest.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-4$3-8$4-$5")}`,
    version: 1,
    metadata: { component: root },
    components: [...components.values()],
    dependencies: [...edges].map(([ref, dependsOn]) => ({ ref, dependsOn: [...dependsOn].sort() })),
  };
}

function componentOf(folder: string, locked: LockedPackage): object {
  const [, group, name = ""] = /^(?:(@[^/]+)\/)?(.+)$/.exec(nameOf(folder)) ?? [];
  const [, algorithm, base64] = /^sha(512|1)-(.+)$/.exec(locked.integrity ?? "") ?? [];
  if (algorithm === undefined || base64 === undefined) throw new TypeError(`${folder} has no hash`);
  const purl = purlOf(folder, locked);
  return {
    ...{ type: "library", "bom-ref": purl, ...(group === undefined ? {} : { group }), name },
    ...{ version: locked.version, purl, scope: "required" },
    hashes: [{ alg: `SHA-${algorithm}`, content: Buffer.from(base64, "base64").toString("hex") }],
    ...(locked.license === undefined ? {} : { licenses: [{ license: { id: locked.license } }] }),
  };
}

/** The folder that a package's `require` of a name finds, as Node looks for it. */
function resolved(folder: string, name: string, packages: LockedPackages): string | undefined {
  for (let at = folder; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))) {
    const found = at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (packages[found] !== undefined) return found;
    if (at === "") return undefined;
  }
}
