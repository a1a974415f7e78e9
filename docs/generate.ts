import { writeFileSync } from "node:fs";
import path from "node:path";
import { apiDocument } from "../shared/http/api-document.ts";

/** `npm run docs`: writes docs/api.md from the schemas that validate and the table of errors. */
writeFileSync(path.join(import.meta.dirname, "api.md"), apiDocument());
