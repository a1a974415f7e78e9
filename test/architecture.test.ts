import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { ERRORS } from "../shared/errors.ts";
import { parseSettings, settingsSchema } from "../shared/settings.ts";

const root = path.resolve(import.meta.dirname, "..");
const read = (file: string) => readFileSync(path.join(root, file), "utf8");
const sources = execFileSync(
  "git",
  ["ls-files", "--cached", "--others", "--exclude-standard", "*.ts", "*.tsx", "*.mjs"],
  {
    cwd: root,
    encoding: "utf8",
  },
)
  .split("\n")
  // A file that was removed and not yet committed is still listed.
  .filter((file) => file !== "" && existsSync(path.join(root, file)));

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s[^;]*?from\s+"([^"]+)"|(?:^|\n)\s*import\s+"([^"]+)"|import\("([^"]+)"\)/g;

/** What a file imports: project files by their path from the root, packages by name. */
function importsOf(file: string): string[] {
  return [...read(file).matchAll(IMPORT)]
    .map((match) => match[1] ?? match[2] ?? match[3] ?? "")
    .map((name) => (name.startsWith(".") ? path.join(path.dirname(file), name) : name));
}

const graph = new Map(sources.map((file) => [file, importsOf(file)]));
const under = (folder: string) => sources.filter((file) => file.startsWith(`${folder}/`));
const importing = (files: string[], forbidden: (name: string) => boolean) =>
  files.flatMap((file) => (graph.get(file) ?? []).filter(forbidden).map((name) => `${file} -> ${name}`));

describe("imports run one way", () => {
  it("sees the project", () => {
    expect(graph.get("functions/index.ts")).toContain("shared/configuration.ts");
    expect(sources.length).toBeGreaterThan(50);
  });

  it("shared never imports functions or local", () => {
    expect(importing(under("shared"), (name) => /^(functions|local|test|bench)\//.test(name))).toEqual([]);
  });

  it("local imports neither functions nor shared", () => {
    expect(importing(under("local"), (name) => /^(functions|shared|test|bench)\//.test(name))).toEqual([]);
  });

  it("the console imports itself and what browsers are given of packages", () => {
    const given = /^(console\/|preact$|preact\/hooks$|uplot$)/;
    expect(importing(under("console"), (name) => !given.test(name))).toEqual([]);
    const known = sources.filter((file) => !/^(console|test|bench|tools)\//.test(file));
    expect(importing(known, (name) => name.startsWith("console/"))).toEqual([]);
    // What decides is tested without a browser.
    expect(importing(under("console/rows"), (name) => /\.tsx$|^preact|^uplot/.test(name))).toEqual([]);
  });

  it("functions imports shared only", () => {
    expect(importing(under("functions"), (name) => /^(local|test|bench)\//.test(name))).toEqual([]);
  });

  it("the domain knows no adapter, no HTTP and no cloud", () => {
    const domain = [
      ...under("shared/job"),
      ...under("shared/audit"),
      ...under("shared/model"),
      ...under("shared/quota"),
      ...under("shared/budget"),
    ];
    expect(importing(domain, (name) => /^shared\/(azure|http)\//.test(name))).toEqual([]);
    const clouds = (name: string) => /^@azure\/(cosmos|service-bus|functions)$/.test(name);
    expect(importing(domain, clouds)).toEqual([]);
  });

  it("the Azure clients are opened in shared/azure alone", () => {
    const elsewhere = sources.filter(
      (file) => /^(functions|shared)\//.test(file) && !file.startsWith("shared/azure/"),
    );
    expect(importing(elsewhere, (name) => name === "@azure/cosmos" || name === "@azure/service-bus")).toEqual(
      [],
    );
  });

  it("a protocol is known by its interface and the table alone", () => {
    const inside = /^shared\/model\/protocol\/[a-z-]+\//;
    const elsewhere = sources.filter(
      (file) =>
        /^(functions|shared)\//.test(file) &&
        !inside.test(file) &&
        file !== "shared/model/protocol/protocols.ts",
    );
    expect(importing(elsewhere, (name) => inside.test(name))).toEqual([]);
    expect(graph.get("shared/model/protocol/protocols.ts")?.filter((name) => inside.test(name))).toHaveLength(
      3,
    );
  });

  it("rhea stays in local/", () => {
    const elsewhere = sources.filter((file) => /^(functions|shared)\//.test(file));
    expect(importing(elsewhere, (name) => name === "rhea")).toEqual([]);
  });

  it("no circle runs through the rooms of shared/, types included", () => {
    const room = (file: string) => /^shared\/([a-z-]+)\//.exec(file)?.[1];
    const edges = under("shared").flatMap((file) =>
      (graph.get(file) ?? []).flatMap((name) => {
        const [from, to] = [room(file), room(name)];
        return from === undefined || to === undefined || from === to
          ? []
          : [{ from, to, why: `${file} -> ${name}` }];
      }),
    );
    expect(edges.length).toBeGreaterThan(50);
    // What nobody else imports any more is taken away again and again: a circle is what stays.
    let left = edges;
    for (let before = -1; before !== left.length; ) {
      before = left.length;
      left = left.filter(({ from }) => left.some(({ to }) => to === from));
      left = left.filter(({ to }) => left.some(({ from }) => from === to));
    }
    expect(left.map(({ why }) => why)).toEqual([]);
  });

  it("has no cycles, types included", () => {
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file)) {
        cycles.push([...trail.slice(trail.indexOf(file)), file].join(" -> "));
        return;
      }
      if (done.has(file)) return;
      for (const name of graph.get(file) ?? []) if (graph.has(name)) visit(name, [...trail, file]);
      done.add(file);
    };
    for (const file of sources) visit(file, []);
    expect(cycles).toEqual([]);
  });
});

describe("the code keeps its habits", () => {
  it("reads the environment in the composition root alone", () => {
    const readers = sources.filter(
      (file) => /^(functions|shared)\//.test(file) && read(file).includes("process.env"),
    );
    expect(readers).toEqual(["functions/index.ts"]);
  });

  it("has no catch-all folders or files", () => {
    expect(sources.filter((file) => /(^|\/)(utils?|helpers?|common|misc)(\.|\/)/.test(file))).toEqual([]);
  });

  it("has no source file over 400 lines", () => {
    const long = sources.filter((file) => !file.startsWith("test/") && read(file).split("\n").length > 401);
    expect(long).toEqual([]);
  });

  it("mocks no modules and skips no tests", () => {
    const words = [
      "vi.mo" + "ck(",
      "it.sk" + "ip(",
      "it.on" + "ly(",
      "describe.on" + "ly(",
      "describe.sk" + "ip(",
    ];
    expect(sources.filter((file) => words.some((word) => read(file).includes(word)))).toEqual([]);
  });
});

describe("settings", () => {
  const sample = JSON.parse(read("local.settings.sample.json")) as { Values: Record<string, string> };

  it("the sample parses", () => {
    const parsed = parseSettings(sample.Values, () => "test");
    expect(parsed).toMatchObject({ settings: { local: true, maxAttempts: 5, leaseSeconds: 3 } });
  });

  it("the sample names every setting that has no identity-based twin", () => {
    const identity = /__|^WEBSITE_|^CONTAINER_NAME$/;
    const missing = Object.keys(settingsSchema.shape).filter(
      (name) => !identity.test(name) && !(name in sample.Values),
    );
    expect(missing).toEqual([]);
  });

  it("docs/operations.md documents every setting", () => {
    const text = read("docs/operations.md");
    expect(Object.keys(settingsSchema.shape).filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});

describe("logs", () => {
  it("every event is documented in docs/operations.md", () => {
    const call = /\blog\??\.(?:info|warn|error)\(\s*"([a-z_]+)"/g;
    const events = sources
      .filter((file) => /^(functions|shared)\//.test(file))
      .flatMap((file) => [...read(file).matchAll(call)].map((match) => match[1] ?? ""));
    expect(new Set(events).size).toBeGreaterThan(30);
    const text = read("docs/operations.md");
    expect(events.filter((event) => !text.includes(`\`${event}\``))).toEqual([]);
  });
});

describe("errors", () => {
  it("every code is documented in docs/api.md with its status", () => {
    const text = read("docs/api.md");
    const undocumented = Object.keys(ERRORS).filter((code) => !text.includes(`\`${code}\``));
    expect(undocumented).toEqual([]);
  });

  it("every code is used", () => {
    const used = sources
      .filter((file) => /^(functions|shared|local)\//.test(file) && file !== "shared/errors.ts")
      .map(read);
    const unused = Object.keys(ERRORS).filter((code) => !used.some((text) => text.includes(`"${code}"`)));
    expect(unused).toEqual([]);
  });
});
