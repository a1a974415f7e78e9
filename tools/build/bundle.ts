import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type OutputChunk, rolldown } from "rolldown";

/** Given by the worker at run time, by a name that it answers itself. */
const FROM_THE_WORKER = "@azure/functions-core";
/** Outside the bundle: the worker and the app must share one copy of it. */
const LIBRARY = "@azure/functions";

/**
 * Bundles the app: some 1,500 files become a few, since a cold start pays for each file it opens. What is imported on
 * demand stays a chunk of its own. Names and lines stay readable, and source maps lie beside.
 * @param entry functions/index.ts
 * @param folder where `index.js` and its chunks go
 */
export async function bundleApp(entry: string, folder: string): Promise<void> {
  const build = await rolldown({
    input: {
      index: entry,
      "validation-thread": path.join(path.dirname(entry), "../shared/validation/thread.ts"),
    },
    platform: "node",
    external: [LIBRARY, FROM_THE_WORKER],
    // Prefers the ES module of packages that name both: some CommonJS builds require names that only exist at run time.
    resolve: { mainFields: ["module", "main"] },
    logLevel: "warn",
    onLog: (level, log, say) => {
      // Packages that are published with such code; nothing here can mend it.
      if (log.code === "EVAL" || log.code === "CIRCULAR_DEPENDENCY") return;
      say(level, log);
    },
  });
  await build.write({
    dir: folder,
    format: "esm",
    sourcemap: true,
    sourcemapExcludeSources: true,
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
  });
  await build.close();
}

/**
 * Makes one file of the compiled @azure/functions and what it requires, in place of its folder of files.
 * @param folder the compiled library, with index.js
 */
export async function bundleLibrary(folder: string, outFolder: string): Promise<void> {
  const build = await rolldown({
    input: path.join(folder, "index.js"),
    platform: "node",
    external: [FROM_THE_WORKER],
  });
  const { output } = await build.generate({ format: "cjs", exports: "named", sourcemap: false });
  await build.close();
  const [chunk] = output as [OutputChunk];
  mkdirSync(outFolder, { recursive: true });
  writeFileSync(path.join(outFolder, "index.js"), chunk.code);
}
