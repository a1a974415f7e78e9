import { renameSync, writeFileSync } from "node:fs";

/** Writes a file so that a reader sees the old one or the new one, never half of either. */
export function writeWhole(file: string, text: string): void {
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, text);
  renameSync(draft, file);
}
