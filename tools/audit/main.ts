import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import type { ContentDeps } from "../../shared/audit/contents.ts";
import { verifyStore } from "../../shared/audit/seal/verify-store.ts";
import { noCounts, type VerifyDeps } from "../../shared/audit/verify.ts";
import { CONTROL_CONTAINER, JOBS_CONTAINER, openDatabase } from "../../shared/azure/cosmos/client.ts";
import { CosmosSeals } from "../../shared/azure/cosmos/seals.ts";
import { StoredItems } from "../../shared/azure/cosmos/stored-items.ts";
import { CosmosTrails } from "../../shared/azure/cosmos/trails.ts";
import { systemClock as clock } from "../../shared/clock.ts";
import { type Log, type LogFields, reasonOf } from "../../shared/log.ts";
import { contentDeps } from "./catalogue.ts";
import { storeConnection } from "./connection.ts";
import { findingLine, Progress, summary } from "./report.ts";
import { exportSeals, sealFile } from "./seal-file.ts";

const USAGE = `Usage: npm run audit:verify -- [--contents] [--seal FILE] [--export FILE]

Walks every audit trail in the store and says of each broken one which record is the first that does not hold, and why:
  jobs     every job's chain: hashes, links, gaps, exactly one terminal event; whose it is and how long it is kept;
           the job's own account of its end, its cost and usage; what usage reports find its calls by
  control  the chains of what operators changed, and that what they set is as the last change left it
  seals    the daily seals: that they follow each other, and that every trail they have is still there as it was

  --contents     also holds each stored request and response against its hash, and each attempt's bytes against the
                 catalogue of MODELS_FILE (default models.json); CONTENT_RETENTION_DAYS (default 30) counts for old trails
  --seal FILE    also holds the store against seals exported earlier, which nobody who can write to the store can change
  --export FILE  writes all seals with their sealed heads to a new file; no trail is walked
  --help         this text

The store is found as the app finds it: by the settings COSMOS or COSMOS__accountEndpoint (with COSMOS__clientId).
Without them it is the local stack's, at the port in DATA_DIR (default .switchyard). It may run meanwhile; nothing is
written to it. Broken chains and the summary go to standard output, progress to standard error.

Exit code: 0 all hold, 1 something is broken, 2 it could not be found out.
`;

/** What the adapters tell, such as an item that cannot be read. */
const line = (event: string, fields?: LogFields) =>
  void process.stderr.write(`${JSON.stringify({ event, ...fields })}\n`);
const toStderr: Log = { info: line, warn: line, error: line };

const EXIT = { broken: 1, unknown: 2 };
const root = path.resolve(import.meta.dirname, "../..");

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      ...{ seal: { type: "string" }, export: { type: "string" } },
      ...{ contents: { type: "boolean" }, help: { type: "boolean" } },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.seal !== undefined && values.export !== undefined)
    throw new TypeError("--seal and --export: give one of the two");
  const connection = storeConnection(process.env, root, (file) =>
    existsSync(file) ? readFileSync(file, "utf8") : undefined,
  );
  // Half of the start-up's time, and needed with an identity alone.
  const identity = connection.kind === "identity" ? await import("@azure/identity") : undefined;
  const { database, dispose } = openDatabase(connection, (clientId = process.env.AZURE_CLIENT_ID) => {
    if (identity === undefined) throw new TypeError("a connection string needs no identity");
    if (clientId === undefined) return new identity.DefaultAzureCredential();
    return new identity.ManagedIdentityCredential({ clientId });
  });
  try {
    const items = (name: string) => new StoredItems(database.container(name), toStderr);
    const containers = [items(JOBS_CONTAINER), items(CONTROL_CONTAINER)] as const;
    const seals = new CosmosSeals(...containers);
    if (values.export !== undefined) {
      const written = await exportSeals(values.export, seals, clock.now());
      process.stdout.write(`${written} seals are in ${values.export}.\n`);
      return 0;
    }
    const contents =
      values.contents === true
        ? contentDeps(process.env, root, (file) => readFileSync(file, "utf8"))
        : undefined;
    return await verify(new CosmosTrails(...containers), seals, values.seal, contents);
  } finally {
    dispose();
  }
}

async function verify(
  trails: CosmosTrails,
  seals: CosmosSeals,
  file: string | undefined,
  contents: ContentDeps | undefined,
): Promise<number> {
  const counts = noCounts();
  const progress = new Progress(process.stderr, () => clock.monotonic());
  const deps: VerifyDeps = {
    ...{ trails, clock, contents, gone: new Map() },
    found(finding) {
      progress.clear();
      process.stdout.write(`${findingLine(finding)}\n`);
    },
    progress: (now) => progress.show(now),
  };
  const storedSeal = (n: number) => seals.readSeal(n);
  const exported = file === undefined ? [] : [{ name: file, storedSeal, source: sealFile(file) }];
  await verifyStore(deps, counts, [{ name: "seals", source: seals }, ...exported]);
  progress.clear();
  process.stdout.write(`${summary(counts)}\n`);
  return counts.broken === 0 ? 0 : EXIT.broken;
}

try {
  process.exitCode = await main();
} catch (thrown) {
  process.stderr.write(`The audit could not be verified: ${reasonOf(thrown)}\n`);
  process.exitCode = EXIT.unknown;
}
