import { createHash } from "node:crypto";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { minifySync } from "rolldown/utils";
import { ERRORS } from "../../shared/errors.ts";

/** Packages that browsers load, by the names that modules import them by, and where their modules lie. */
const VENDORED: Readonly<Record<string, { readonly from: string; readonly as: string }>> = {
  preact: { from: "preact/dist/preact.mjs", as: "vendor/preact.js" },
  "preact/hooks": { from: "preact/hooks/dist/hooks.mjs", as: "vendor/hooks.js" },
  "preact/jsx-runtime": { from: "preact/jsx-runtime/dist/jsxRuntime.mjs", as: "vendor/jsx-runtime.js" },
  // The published module is not minified; the script is.
  uplot: { from: "uplot/dist/uPlot.iife.min.js", as: "vendor/uplot.js" },
};

/** A module as browsers take it: they know no names of packages, so these become relative paths. */
function forBrowsers(name: string, text: string): string {
  const up = "../".repeat(name.split("/").length - 1) || "./";
  return text
    .replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n")
    .replace(/(\bfrom\s*|\bimport\(|\bimport\s*)"([a-z][a-z/-]*)"/g, (whole, before, specifier) =>
      VENDORED[specifier] === undefined ? whole : `${before}"${up}${VENDORED[specifier].as}"`,
    );
}

/** Each module stays a file of its own: a seventh less to load. @throws Error where the compiler's output is no JavaScript */
function minified(name: string, text: string): string {
  const { code, errors } = minifySync(name, text, { module: true });
  if (errors[0] !== undefined) throw new Error(`${name}: ${errors[0].message}`);
  return code;
}

function vendorFiles(root: string): [string, string][] {
  const read = (file: string) => readFileSync(path.join(root, "node_modules", file), "utf8");
  const modules = Object.values(VENDORED).map(({ from, as }): [string, string] => {
    const text = forBrowsers(as, read(from));
    return [as, as === "vendor/uplot.js" ? `${text}\nexport default uPlot;\n` : text];
  });
  const advice = Object.fromEntries(
    Object.entries(ERRORS).map(([code, { title, advice }]) => [code, { title, advice }]),
  );
  return [
    ...modules,
    [
      "style.css",
      read("uplot/dist/uPlot.min.css") + readFileSync(path.join(root, "console/style.css"), "utf8"),
    ],
    ["advice.js", `export const ADVICE = ${JSON.stringify(advice)};\n`],
  ];
}

/**
 * Makes dist/console: index.html, and a folder named by the hash of all other files, so that each may be kept for ever
 * and modules find each other by relative paths. Every file is stored compressed, as `NAME.gz`.
 * @param compile compiles console/ into the folder that it is given
 */
export function buildConsole(root: string, compile: (folder: string) => void): void {
  const source = path.join(root, "console");
  const out = path.join(root, "dist/console");
  const compiled = path.join(root, "dist/console-compiled");
  compile(compiled);
  const files = new Map(vendorFiles(root));
  for (const file of globSync("**/*.js", { cwd: compiled })) {
    const name = file.split(path.sep).join("/");
    files.set(name, minified(name, forBrowsers(name, readFileSync(path.join(compiled, file), "utf8"))));
  }
  for (const file of globSync("*.svg", { cwd: source }))
    files.set(file, readFileSync(path.join(source, file), "utf8"));
  rmSync(compiled, { recursive: true });
  const names = [...files.keys()].sort();
  const hash = createHash("sha256");
  for (const name of names) hash.update(`${name}\n${files.get(name)}\n`);
  const version = hash.digest("hex").slice(0, 16);

  // What only some screens need is loaded when it is needed.
  const preloads = names
    .filter((name) => name.endsWith(".js") && name !== "vendor/uplot.js")
    .map((name) => `<link rel="modulepreload" href="/console/${version}/${name}">`);
  const page = readFileSync(path.join(source, "index.html"), "utf8")
    .replace("<!-- preloads -->", preloads.join("\n    "))
    .replaceAll("VERSION", version);

  const write = (name: string, text: string) => {
    const file = path.join(out, `${name}.gz`);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, gzipSync(text, { level: 9 }));
  };
  write("index.html", page);
  for (const [name, text] of files) write(`${version}/${name}`, text);
}
