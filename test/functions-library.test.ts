import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "..");
const fromApp = createRequire(path.join(root, "dist/functions/index.js"));
const published = createRequire(import.meta.url);

/** tsconfig.azure-functions.json says what is built and why: `npm run build` leaves it where the built app finds it. */
describe("@azure/functions as the built app has it", () => {
  it("is the library's source, compiled for the Node that runs it", () => {
    const found = fromApp.resolve("@azure/functions");
    expect(path.relative(root, found)).toBe(
      path.join("dist", "node_modules", "@azure", "functions", "index.js"),
    );
    const model = readFileSync(path.join(path.dirname(found), "InvocationModel.js"), "utf8");
    expect(model).toContain("async getResponse");
    expect(model).not.toContain("__awaiter");
    expect(model).not.toContain("WeakMap");
  });

  it("is of the published version, and has all that the published build has", () => {
    const { version } = published("@azure/functions/package.json");
    expect(fromApp("./../node_modules/@azure/functions/constants.js").version).toBe(version);
    const [built, original] = [fromApp("@azure/functions"), published("@azure/functions")];
    expect(Object.keys(built).sort()).toEqual(Object.keys(original).sort());
    for (const part of ["app", "input", "output", "trigger"])
      expect(Object.keys(built[part]).sort()).toEqual(Object.keys(original[part]).sort());
  });
});
