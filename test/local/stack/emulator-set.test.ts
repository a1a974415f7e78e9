import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { startEmulators } from "../../../local/stack/emulator-set.ts";
import { readStackSettings } from "../../../local/stack/settings.ts";

const root = path.resolve(import.meta.dirname, "../../..");

it("names its doors in a file that is never half written, though it is started again", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-emulators-"));
  const ports = { SERVICEBUS_PORT: "0", COSMOS_PORT: "0", MODEL_ENDPOINTS_PORT: "0", DATA_DIR: folder };
  const settings = readStackSettings(ports, {}, {}, root);
  const start = () => startEmulators(settings, root, () => undefined);
  const file = path.join(folder, "emulators.json");
  const doors = (from: string | number) => JSON.parse(readFileSync(from, "utf8")) as { control: string };
  try {
    const first = await start();
    await first.close();
    const reader = openSync(file, "r");
    const second = await start();
    // Whoever had the file open reads all that it said then: it was not written over.
    expect(doors(reader).control).toBe(`http://127.0.0.1:${first.controlPort}/`);
    expect(doors(file).control).toBe(`http://127.0.0.1:${second.controlPort}/`);
    closeSync(reader);
    await second.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
