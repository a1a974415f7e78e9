import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseCatalogue } from "../../shared/model/catalogue.ts";
import { settingsSchema } from "../../shared/settings.ts";
import { catalogueOf } from "../../tools/azd/files.ts";
import { assignments, isPrivate, keys, models, settings, stores } from "./checks.ts";
import { type Break, bicep, type Evaluated, evaluate, lint } from "./template.ts";

const root = path.resolve(import.meta.dirname, "../..");
const resources = JSON.parse(readFileSync(path.join(root, "infra/resources.json"), "utf8"));
const known = Object.keys(settingsSchema.shape);

/** As params/existing.bicepparam has them. */
const ENTRA = {
  AUTH_ISSUER: "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0",
  AUTH_AUDIENCE: "api://switchyard",
  CONSOLE_CLIENT_ID: "11111111-1111-4111-8111-111111111111",
};

const everything = (template: Evaluated): string[] => [
  ...keys(template),
  ...settings(template, known),
  ...stores(template, resources),
  ...models(template),
];

describe.runIf(bicep !== undefined)("the template", { tags: ["long"] }, () => {
  it("compiles, and its linter has nothing to say", () => {
    expect(lint()).toBe("");
  });

  it.each(["main.bicepparam", "default.bicepparam", "vnet.bicepparam", "existing.bicepparam"])(
    "evaluates with %s to what it must hold to",
    (params) => {
      const template = evaluate(params);
      expect(template.diagnostics).toEqual([]);
      expect(everything(template)).toEqual([]);
      expect(assignments(template)).toEqual([]);
      // Where people sign in to the console with Entra, and where with keys alone.
      const config = template.resources.find(({ type }) => type === "Microsoft.Web/sites/config")?.properties;
      const { AUTH_ISSUER, AUTH_AUDIENCE, CONSOLE_CLIENT_ID } = config;
      const isEntra = params === "existing.bicepparam";
      expect({ AUTH_ISSUER, AUTH_AUDIENCE, CONSOLE_CLIENT_ID }).toEqual(isEntra ? ENTRA : {});
    },
  );

  it("with a network of its own leaves no data service public", () => {
    expect(isPrivate(evaluate("vnet.bicepparam"))).toEqual([]);
  });

  it("makes no Foundry account where there are accounts already, and may call each of those", () => {
    const template = evaluate("existing.bicepparam");
    const types = template.resources.map(({ type }) => type);
    expect(types).not.toContain("Microsoft.CognitiveServices/accounts");
    for (const name of ["ai-of-team-a", "ai-of-team-b"]) expect(template.text).toContain(`accounts/${name}`);
  });

  it("alerts on events that the app logs", () => {
    const documented = readFileSync(path.join(root, "docs/operations.md"), "utf8");
    const events = [
      ...evaluate("default.bicepparam").text.matchAll(/"event":"([a-z_]+)"|event\\":\\"([a-z_]+)/g),
    ];
    const names = events.map((match) => match[1] ?? match[2] ?? "");
    expect(names.length).toBeGreaterThan(5);
    expect(names.filter((name) => !documented.includes(`\`${name}\``))).toEqual([]);
  });

  it("names deployments that make a catalogue the app takes", () => {
    const { outputs } = evaluate("default.bicepparam");
    const parsed = parseCatalogue(catalogueOf(JSON.stringify(outputs.CATALOGUE_DEPLOYMENTS)), {
      settings: {},
    });
    expect(parsed).toHaveProperty("catalogue");
  });
});

/** Faults that people make, and the check that must find each. */
const BREAKS: readonly (readonly [what: string, found: RegExp, breaks: readonly Break[]])[] = [
  [
    "Cosmos DB takes keys",
    /takes keys/,
    [["modules/cosmos.bicep", "disableLocalAuth: true", "disableLocalAuth: false"]],
  ],
  [
    "storage takes keys",
    /takes keys/,
    [["modules/storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"]],
  ],
  [
    "a setting holds a key",
    /a key is handed out/,
    [["modules/app.bicep", "COSMOS__clientId: clientId", "COSMOS__clientId: 'AccountKey=abc'"]],
  ],
  [
    "a role is missing",
    /is missing/,
    [["modules/roles.bicep", "cognitiveServicesUser: 'a97b65f3", "cognitiveServicesUser: 'b97b65f3"]],
  ],
  [
    "a setting that the app does not know",
    /does not know SWEEP_SECOND$/m,
    [["modules/app.bicep", "SWEEP_SECONDS: string", "SWEEP_SECOND: string"]],
  ],
  [
    "a setting that the app refuses",
    /SWEEP_SECONDS/,
    [["main.bicep", "sweepSeconds int = 15", "sweepSeconds int = 7"]],
  ],
  [
    "workers that take shorter headers than their host",
    /take less than the host/,
    [["modules/app.bicep", " --max-http-header-size=65536", ""]],
  ],
  [
    "a container without its composite indexes",
    /the container jobs is not/,
    [["modules/cosmos.bicep", "compositeIndexes: container.indexing.composite", "compositeIndexes: []"]],
  ],
  [
    "a model that changes by itself",
    /becomes another model/,
    [["modules/foundry.bicep", "'NoAutoUpgrade'", "'OnceNewDefaultVersionAvailable'"]],
  ],
];

describe.runIf(bicep !== undefined)("a template with a fault is refused", { tags: ["long"] }, () => {
  it.each(BREAKS)("%s", (_what, found, breaks) => {
    const template = evaluate("default.bicepparam", breaks);
    expect([...everything(template), ...assignments(template)].join("\n")).toMatch(found);
  });

  it("a data service that stays public beside its private endpoint", () => {
    const open: Break = ["modules/service-bus.bicep", "vnet ? 'Disabled' : 'Enabled'", "'Enabled'"];
    expect(isPrivate(evaluate("vnet.bicepparam", [open])).join("\n")).toMatch(/is public/);
  });
});
