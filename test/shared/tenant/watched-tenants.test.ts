import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { tenantsOf } from "../../../shared/configuration.ts";
import { FRESH_MS } from "../../../shared/fresh-copy.ts";
import { createAuthenticator } from "../../../shared/http/authenticate.ts";
import type { Log, LogFields } from "../../../shared/log.ts";
import { sha256Hex } from "../../../shared/sha256.ts";
import { type WatchedTenants, watchTenants } from "../../../shared/tenant/watched-tenants.ts";
import { TestClock } from "../world.ts";

const folder = mkdtempSync(path.join(tmpdir(), "switchyard-tenants-"));
const file = path.join(folder, "tenants.json");
afterAll(() => rmSync(folder, { recursive: true }));

const written = (...tenants: { id: string; keys: string[] }[]) =>
  JSON.stringify({ tenants: tenants.map(({ id, keys }) => ({ id, key_sha256: keys.map(sha256Hex) })) });

const lines: { event: string; fields: LogFields }[] = [];
const told = (event: string, fields: LogFields = {}) => void lines.push({ event, fields });
const log: Log = { info: told, warn: told, error: told };
const parse = (text: string) => tenantsOf(file, text, { local: false });
let clock: TestClock;
let watched: WatchedTenants;

function start(text: string): void {
  writeFileSync(file, text);
  const parsed = parse(text);
  if ("faults" in parsed) throw new Error(parsed.faults.join());
  watched = watchTenants(
    { tenants: parsed.tenants, text },
    { readText: (signal) => readFile(file, { encoding: "utf8", signal }), parse, clock, log },
  );
}
const whose = (key: string) => {
  const principal = watched.current().byKeyHash(sha256Hex(key));
  return principal?.kind === "tenant" ? principal.tenant.id : undefined;
};

beforeEach(() => {
  lines.length = 0;
  clock = new TestClock();
  start(written({ id: "a", keys: ["a-1", "a-2"] }, { id: "b", keys: ["b-1"] }));
});

describe("the tenants file while the service runs", () => {
  it("each of a tenant's keys works until it is taken out, the others go on", async () => {
    expect([whose("a-1"), whose("a-2"), whose("b-1")]).toEqual(["a", "a", "b"]);
    writeFileSync(file, written({ id: "a", keys: ["a-2", "a-3"] }));
    await watched.look();
    expect([whose("a-1"), whose("a-2"), whose("a-3"), whose("b-1")]).toEqual([
      undefined,
      "a",
      "a",
      undefined,
    ]);
    expect(watched.current().get("b")).toBeUndefined();
    expect(lines).toEqual([{ event: "tenants_changed", fields: { tenants: 1 } }]);
  });

  it("is looked at where the copy may be old, whatever became of the process meanwhile", async () => {
    for (const keys of [["x"], ["y"], ["z"]]) {
      writeFileSync(file, written({ id: "a", keys }));
      clock.advance(600_000);
      await watched.fresh();
      expect(whose(keys[0] ?? "")).toBe("a");
    }
    writeFileSync(file, written({ id: "a", keys: ["later"] }));
    clock.advance(FRESH_MS);
    await watched.fresh();
    expect(whose("later")).toBeUndefined();
    expect(lines).toHaveLength(3);
  });

  it("a process that was frozen lets no key in that was taken out meanwhile", async () => {
    const { fresh, current: tenants } = watched;
    const authenticator = createAuthenticator({ fresh, tenants, entra: undefined, clock });
    const authenticate = (key: string) =>
      authenticator.authenticate(new Headers({ authorization: `Bearer ${key}` }));
    await expect(authenticate("a-1")).resolves.toMatchObject({ tenant: { id: "a" } });
    writeFileSync(file, written({ id: "a", keys: ["a-2"] }));
    clock.advance(600_000);
    const thawed = await Promise.allSettled([authenticate("a-1"), authenticate("a-1"), authenticate("a-2")]);
    expect(thawed.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
  });

  it("a version that is not valid is refused with every fault, once, and the one before stays", async () => {
    writeFileSync(
      file,
      JSON.stringify({ tenants: [{ id: "bad id", key_sha256: ["secret-in-clear"] }], operator: [] }),
    );
    await watched.look();
    await watched.look();
    expect(whose("a-1")).toBe("a");
    expect(lines.map(({ event }) => event)).toEqual(["tenants_refused"]);
    const reason = String(lines[0]?.fields.reason);
    for (const fault of ["/tenants/0/id", "/tenants/0/key_sha256/0", "operator"])
      expect(reason).toContain(fault);
    expect(reason).not.toContain("secret-in-clear");

    writeFileSync(file, written({ id: "c", keys: ["c-1"] }));
    await watched.look();
    expect([whose("a-1"), whose("c-1")]).toEqual([undefined, "c"]);
  });

  it("a version half written, or none at all, changes nothing and quotes nothing", async () => {
    writeFileSync(file, '{"tenants": [{"id": "a", "key": "secret-in-clear');
    await watched.look();
    rmSync(file);
    await watched.look();
    await watched.look();
    expect(whose("a-1")).toBe("a");
    expect(lines.map(({ event }) => event)).toEqual(["tenants_refused", "tenants_not_read"]);
    expect(JSON.stringify(lines)).not.toContain("secret");
    writeFileSync(file, written({ id: "a", keys: ["a-1", "a-2"] }, { id: "b", keys: ["b-1"] }));
    await watched.look();
    expect(lines.at(-1)?.event).toBe("tenants_as_before");
  });

  it("the documentation's keys are refused then too", async () => {
    writeFileSync(file, written({ id: "a", keys: ["local-team-a"] }));
    await watched.look();
    expect(lines).toMatchObject([{ event: "tenants_refused" }]);
  });
});
