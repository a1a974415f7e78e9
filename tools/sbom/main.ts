import { readFileSync } from "node:fs";
import path from "node:path";
import { cycloneDx } from "./cyclonedx.ts";

/** `npm run sbom`: what is deployed, on standard output. */
const lock = JSON.parse(readFileSync(path.resolve(import.meta.dirname, "../../package-lock.json"), "utf8"));
process.stdout.write(`${JSON.stringify(cycloneDx(lock.packages), null, 2)}\n`);
