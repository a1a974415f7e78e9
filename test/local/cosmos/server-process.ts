import { startCosmos } from "../../../local/cosmos/server.ts";

/** An emulator in a process of its own, to be killed: its file is the first argument; it says its port. */
const [databaseFile = ""] = process.argv.slice(2);
const cosmos = await startCosmos({ port: 0, databaseFile });
process.send?.({ port: cosmos.port });
process.on("disconnect", () => process.exit(0));
