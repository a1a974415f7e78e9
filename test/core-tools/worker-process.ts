import { glob, readFile } from "node:fs/promises";
import Module from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * What Azure's Node worker does to an app, and no more: `@azure/functions-core` is there for `require` alone, then
 * every file that package.json's `main` names is imported, as an ES module where package.json says so. Sends what the
 * app registered to its parent.
 */
const root = process.cwd();
const registered: { name: string; bindings: object }[] = [];
let model: { name: string; version: string } | undefined;
const core = {
  version: "3.9.1",
  hostVersion: "4.1040.0",
  log: () => undefined,
  setProgrammingModel: (given: typeof model) => {
    model = given;
  },
  getProgrammingModel: () => model,
  registerFunction: ({ name, bindings }: { name: string; bindings: object }) => {
    registered.push({ name, bindings });
    return { dispose: () => undefined };
  },
  registerHook: () => ({ dispose: () => undefined }),
  Disposable: class {},
};
const prototype = Module.prototype as unknown as { require(this: unknown, id: string): unknown };
prototype.require = new Proxy(prototype.require, {
  apply: (target, self, args) =>
    args[0] === "@azure/functions-core" ? core : Reflect.apply(target, self, args),
});

const { main, type } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
const files: string[] = [];
for await (const file of glob(main, { cwd: root })) files.push(file);
for (const file of files) await import(pathToFileURL(join(root, file)).href);
process.send?.({ files, type, model: { name: model?.name, version: model?.version }, registered });
