import { createRequire } from "node:module";
import { expect, it } from "vitest";

const { unfit } = createRequire(import.meta.url)("../../tools/check-machine.cjs") as {
  unfit(machine: {
    platform: string;
    node: string;
    hasOwnNode: boolean;
    shell: string | undefined;
  }): string | undefined;
};
const { scripts } = createRequire(import.meta.url)("../../package.json") as {
  scripts: Record<string, string>;
};
const linux = { platform: "linux", node: "24.21.0", hasOwnNode: true, shell: undefined };

it("lets every machine pass that can run the project", () => {
  expect(unfit(linux)).toBeUndefined();
  expect(unfit({ ...linux, platform: "darwin", node: "26.0.0", hasOwnNode: false })).toBeUndefined();
  expect(unfit({ ...linux, platform: "win32", shell: "C:\\\\Git\\\\bin\\\\bash.exe" })).toBeUndefined();
});

it("says in a sentence what is wrong, and what to do", () => {
  expect(unfit({ ...linux, node: "20.20.2" })).toMatch(
    /^Node 20\.20\.2 is too old: .* needs 24\..*`npm start`/,
  );
  const ignored = unfit({ ...linux, node: "22.1.0", hasOwnNode: false });
  expect(ignored).toMatch(/was not installed: run `npm rebuild node` \(`npm ci --ignore-scripts`/);
  expect(unfit({ ...linux, platform: "win32" })).toMatch(/^On Windows, run Switchyard under WSL: /);
});

it("is asked before anything is built, and whatever is started is built first", () => {
  expect(scripts.prebuild).toBe("node tools/check-machine.cjs");
  for (const name of ["start", "emulators", "demo", "test", "test:long", "test:faults", "bench", "package"])
    expect(scripts[`pre${name}`]).toBe("npm run --silent build");
});
