import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import path from "node:path";
import { bundleApp, bundleLibrary } from "./bundle.ts";
import { buildConsole } from "./console.ts";

/**
 * `npm run build`: makes dist/ from scratch. dist/functions is the app as it is deployed, bundled, with the one library that stays
 * outside in dist/node_modules; dist/console is what browsers load; dist/local and dist/examples are compiled file by file.
 */
const root = path.resolve(import.meta.dirname, "../..");
const dist = path.join(root, "dist");
const tsc = (project: string, ...options: string[]) =>
  execFileSync(
    process.execPath,
    [path.join(root, "node_modules/typescript/bin/tsc"), "-p", path.join(root, project), ...options],
    { stdio: "inherit" },
  );

// Emptied first, so that a deleted source file leaves no compiled ghost behind.
rmSync(dist, { recursive: true, force: true });
await bundleApp(path.join(root, "functions/index.ts"), path.join(dist, "functions"));
tsc("tsconfig.build.json");
tsc("tsconfig.azure-functions.json");
const compiled = path.join(dist, "azure-functions");
await bundleLibrary(compiled, path.join(dist, "node_modules/@azure/functions"));
rmSync(compiled, { recursive: true });
buildConsole(root, (folder) => tsc("console/tsconfig.json", "--noEmit", "false", "--outDir", folder));
