import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const root = path.resolve(import.meta.dirname, "../..");

/** A change of a compiled file below dist/shared; what is replaced must be there just as it stands. */
export type Patch = readonly [file: string, from: string, to: string];

/** A copy of the built app with changes in it, for a host to run; `remove` takes it away. The app has no switches. */
export function appWith(patches: readonly Patch[]): { folder: string; remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-app-"));
  cpSync(path.join(root, "dist"), path.join(folder, "dist"), { recursive: true });
  for (const file of ["package.json", "host.json"]) cpSync(path.join(root, file), path.join(folder, file));
  symlinkSync(path.join(root, "node_modules"), path.join(folder, "node_modules"));
  for (const [file, from, to] of patches) {
    const full = path.join(folder, "dist/shared", file);
    const text = readFileSync(full, "utf8");
    if (!text.includes(from)) throw new Error(`${file} has no «${from}»: the patch must be written anew.`);
    writeFileSync(full, text.replace(from, to));
  }
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
