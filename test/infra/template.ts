import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { bicepProgram } from "../../tools/bicep/compiler.ts";

const root = path.resolve(import.meta.dirname, "../..");

// biome-ignore lint/suspicious/noExplicitAny: resources of Azure, as the template evaluates to
export type Resource = { readonly type: string; readonly name: string } & Record<string, any>;

export interface Evaluated {
  readonly resources: readonly Resource[];
  readonly diagnostics: readonly unknown[];
  readonly outputs: Readonly<Record<string, unknown>>;
  /** All of it, for what must stand nowhere. */
  readonly text: string;
}

/** The Bicep compiler; undefined where it was not fetched, which .ci/run takes for a fault. */
export const bicep = bicepProgram();
if (bicep === undefined) {
  const words =
    "The tests of infra/ were SKIPPED: there is no Bicep compiler. `npm run bicep` fetches it (needs dotnet).";
  if (process.env.REQUIRE_BICEP === "1") throw new Error(words);
  console.warn(words);
}

/** A change of a file of infra/; what is replaced must be there just as it stands. */
export type Break = readonly [file: string, from: string, to: string];

/** A copy of infra/ with faults put into it, as a template that the checks must refuse. */
export function evaluate(params: string, breaks: readonly Break[] = []): Evaluated {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-infra-"));
  try {
    cpSync(path.join(root, "infra"), path.join(folder, "infra"), { recursive: true });
    for (const [file, from, to] of breaks) {
      const full = path.join(folder, "infra", file);
      const text = readFileSync(full, "utf8");
      if (!text.includes(from)) throw new Error(`${file} has no «${from}»: the break must be written anew.`);
      writeFileSync(full, text.replaceAll(from, to));
    }
    const file = path.join(folder, "infra", path.basename(params));
    if (params !== "main.bicepparam") {
      const text = readFileSync(path.join(root, "test/infra/params", params), "utf8");
      writeFileSync(file, text.replace("'../../../infra/main.bicep'", "'main.bicep'"));
    }
    run(["snapshot", file, "--mode", "overwrite", ...CONTEXT]);
    const text = readFileSync(file.replace(/\.bicepparam$/, ".snapshot.json"), "utf8");
    const { predictedResources, diagnostics = [], outputs = {} } = JSON.parse(text);
    return { resources: predictedResources, diagnostics, outputs, text };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the linter says of the template; empty: nothing. */
export function lint(): string {
  return run(["lint", path.join(root, "infra/main.bicep")]);
}

const CONTEXT = [
  ...["--subscription-id", "00000000-0000-0000-0000-000000000001"],
  ...["--tenant-id", "00000000-0000-0000-0000-000000000002"],
  ...["--location", "swedencentral"],
];

function run(args: readonly string[]): string {
  if (bicep === undefined) throw new Error("there is no Bicep compiler");
  // The linter writes to standard error, and to it alone.
  return execFileSync("sh", ["-c", '"$0" "$@" 2>&1', bicep, ...args], { encoding: "utf8" }).trim();
}
