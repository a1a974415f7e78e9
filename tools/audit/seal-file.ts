import { open } from "node:fs/promises";
import type { Seal, SealHead, SealLeaf } from "../../shared/audit/seal/seal.ts";
import type { SealPart, SealSource } from "../../shared/audit/seal/verify-seals.ts";

/** An exported seal file is JSON lines: what it is, then each seal, each followed by its leaves in some lines. */
const FORMAT = "switchyard-seals";
const VERSION = 1;

type Line =
  | { readonly format: string; readonly version: number; readonly exported_at: number }
  | { readonly seal: Seal }
  | { readonly leaves: readonly SealLeaf[] };

/** A file that is not an export, or was cut off. */
export class SealFileInvalid extends Error {
  override readonly name = "SealFileInvalid";
}

/** Writes every seal and its leaves; the file is new, and on the disk when this ends. @returns the seals written */
export async function exportSeals(file: string, source: SealSource, nowMs: number): Promise<number> {
  const handle = await open(file, "wx");
  try {
    const write = (line: Line) => handle.appendFile(`${JSON.stringify(line)}\n`);
    await write({ format: FORMAT, version: VERSION, exported_at: Math.floor(nowMs / 1000) });
    let seals = 0;
    for await (const part of source.parts()) {
      if (part.kind === "seal") seals++;
      await write(part.kind === "seal" ? { seal: part.seal } : { leaves: part.leaves });
    }
    await handle.sync();
    return seals;
  } finally {
    await handle.close();
  }
}

/** The seals of an exported file, a line at a time. */
export function sealFile(file: string): SealSource {
  return {
    async *parts(): AsyncGenerator<SealPart> {
      const handle = await open(file);
      try {
        let number = 0;
        for await (const text of handle.readLines()) {
          number++;
          const line = parsed(text, `${file}, line ${number}`);
          if (number === 1) checkFormat(line, file);
          else if ("seal" in line) yield { kind: "seal", seal: line.seal };
          else if ("leaves" in line) yield { kind: "leaves", leaves: line.leaves };
          else throw new SealFileInvalid(`${file}, line ${number}: is neither a seal nor sealed heads`);
        }
        if (number === 0) throw new SealFileInvalid(`${file}: is empty`);
      } finally {
        await handle.close();
      }
    },
    /** An export ends where it ended. */
    head: (): Promise<SealHead | undefined> => Promise.resolve(undefined),
  };
}

function parsed(text: string, where: string): Line {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Line;
  } catch {
    // Said below, with the place.
  }
  throw new SealFileInvalid(`${where}: is not a JSON object`);
}

function checkFormat(line: Line, file: string): void {
  if ("format" in line && line.format === FORMAT && line.version === VERSION) return;
  throw new SealFileInvalid(`${file}: is not an export of seals of version ${VERSION}`);
}
