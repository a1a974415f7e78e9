import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { apiPage } from "./api-page.ts";
import { EMULATOR_CONFIG_FILE, emulatorConfig } from "./emulator-config.ts";
import { withLicences } from "./licences.ts";
import { STORED_ITEMS_FILE, storedItems } from "./stored-items.ts";
import { OPENAI_PAGE, withWhatLabsCannot } from "./what-labs-cannot.ts";

const docs = path.resolve(import.meta.dirname, "../../docs");

/**
 * `npm run docs` writes docs/api.md from the declarations of the routes and the table of errors, docs/stored-items.md
 * from the catalogue of stored kinds, the official Service Bus emulator's Config.json from infra/resources.json, and the
 * licences in docs/dependencies.md from package-lock.json, and the table of what labs cannot do in docs/openai.md from the
 * mappings.
 */
writeFileSync(path.join(docs, "api.md"), apiPage());
writeFileSync(EMULATOR_CONFIG_FILE, emulatorConfig());
writeFileSync(STORED_ITEMS_FILE, storedItems());
const dependencies = path.join(docs, "dependencies.md");
writeFileSync(dependencies, withLicences(readFileSync(dependencies, "utf8")));
writeFileSync(OPENAI_PAGE, withWhatLabsCannot(readFileSync(OPENAI_PAGE, "utf8")));
