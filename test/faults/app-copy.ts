import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { bundleApp } from "../../tools/build/bundle.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** A change of a source file below shared/; what is replaced must be there just as it stands. */
export type Patch = readonly [file: string, from: string, to: string];

/** The app, built from sources with changes in them, for a host to run; `remove` takes it away. The app has no switches. */
export async function appWith(patches: readonly Patch[]): Promise<{ folder: string; remove: () => void }> {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-app-"));
  for (const part of ["package.json", "host.json", "functions", "shared", "dist"])
    cpSync(path.join(root, part), path.join(folder, part), { recursive: true });
  symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  for (const [file, from, to] of patches) {
    const full = path.join(folder, "shared", file);
    const text = readFileSync(full, "utf8");
    if (!text.includes(from)) throw new Error(`${file} has no «${from}»: the patch must be written anew.`);
    writeFileSync(full, text.replace(from, to));
  }
  await bundleApp(path.join(folder, "functions/index.ts"), path.join(folder, "dist/functions"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
