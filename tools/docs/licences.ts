import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");

/** Told of a package that says nothing: a lawyer looks at it, we do not guess. */
export const NOT_STATED = "not stated in the package";

interface Locked {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  /** Node's own binaries: for scripts. */
  readonly optional?: boolean;
}

/** What is deployed with the app, the packages of its packages included: `name version`, by licence. */
export function licences(): Map<string, string[]> {
  const lock = JSON.parse(readFileSync(path.join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, Locked>;
  };
  const byLicence = new Map<string, string[]>();
  for (const [folder, locked] of Object.entries(lock.packages)) {
    if (folder === "" || locked.dev === true || locked.devOptional === true || locked.optional === true)
      continue;
    const name = folder.replace(/^.*node_modules\//, "");
    const licence = locked.license ?? ownWords(folder);
    byLicence.set(licence, [...(byLicence.get(licence) ?? []), `${name} ${locked.version ?? ""}`]);
  }
  return new Map([...byLicence].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Old packages say it in a list of their own form, or in another manager's file; the lock file leaves both out. */
function ownWords(folder: string): string {
  const { licenses } = manifest(folder, "package.json");
  const listed = licenses?.map(({ type }) => type ?? NOT_STATED).join(" or ") || undefined;
  return listed ?? manifest(folder, "bower.json").license ?? NOT_STATED;
}

interface Manifest {
  readonly license?: string;
  readonly licenses?: readonly { readonly type?: string }[];
}

function manifest(folder: string, name: string): Manifest {
  const file = path.join(root, folder, name);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Manifest) : {};
}

/** The last section of docs/dependencies.md. */
export function licencesSection(): string {
  const lines = [
    "## Licences",
    "These are the licences of all that is deployed, the packages of these packages included. `npm run docs` writes this section from package-lock.json. The test of this page refuses a licence that it does not know.",
    "",
    "| licence | packages |",
    "|---|---|",
  ];
  for (const [licence, packages] of licences()) {
    lines.push(`| ${licence} (${new Set(packages).size}) | ${[...new Set(packages)].sort().join(", ")} |`);
  }
  return `${lines.join("\n")}\n`;
}

/** The page with that section rewritten. */
export function withLicences(page: string): string {
  const start = page.indexOf("## Licences");
  const before = start < 0 ? page : page.slice(0, start);
  return `${before.trimEnd()}\n\n${licencesSection()}`;
}
