import { startCosmos } from "../local/cosmos/server.ts";

/** The Cosmos emulator in a process of its own, for bench/cosmos.ts. */
const running = await startCosmos({ port: 0, databaseFile: process.argv[2] ?? ":memory:" });
process.send?.({ port: running.port });
process.on("disconnect", () => process.exit(0));
