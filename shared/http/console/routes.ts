import { z } from "zod";
import { Problem } from "../../errors.ts";
import { sha256Hex } from "../../sha256.ts";
import { LOCAL_KEYS, type Tenants } from "../../tenant/tenants.ts";
import { type Answer, json } from "../answer.ts";
import { apiDoor } from "../api/routes.ts";
import { matchesEtag } from "../conditional.ts";
import type { Door } from "../door.ts";
import type { EntraSettings } from "../entra-token.ts";
import { type Route, route } from "../route.ts";
import { securityHeaders } from "./security-headers.ts";
import type { Site } from "./site.ts";

export interface ConsoleDeps {
  /** Read when it is first asked for, and kept. */
  readonly site: () => Site;
  readonly tenants: () => Tenants;
  /** Whether this is the local stack, whose keys the page may name. */
  readonly local: boolean;
  readonly entra: EntraSettings | undefined;
  /** The page's own application at that issuer; undefined: people sign in with keys alone. */
  readonly consoleClientId: string | undefined;
}

/** The console's page and its files. Refusals are those of the native door, whose routes the page calls. */
export const consoleDoor: Door = { ...apiDoor, prefixes: ["console"] };

const PAGE = "index.html";
/** A year: what has its hash in its path never changes. */
const FOR_EVER = "public, max-age=31536000, immutable";

const consoleRoute = route({
  name: "console",
  method: "GET",
  path: "console/{*path}",
  who: "anyone",
  summary: "The console: one page for every path that is no file of it",
  headers: z.object({
    "If-None-Match": z.string().optional(),
    "Accept-Encoding": z.string().optional(),
  }),
  answers: {
    200: { description: "A file.", type: "text/html", schema: z.string() },
    304: { description: "Unchanged." },
  },
  errors: ["route_not_found"],
  handle: async (deps: ConsoleDeps, { pathname, headers }) => {
    const name = pathname.replace(/^\/console\/?/i, "");
    return name === "settings.json" ? settingsAnswer(deps) : fileAnswer(deps, name, headers);
  },
});

/** What the page must know before anyone has signed in. */
function settingsAnswer({ tenants, local, entra, consoleClientId }: ConsoleDeps): Answer<200> {
  const known = LOCAL_KEYS.filter((key) => tenants().byKeyHash(sha256Hex(key)) !== undefined);
  const signIn =
    entra === undefined || consoleClientId === undefined
      ? null
      : { issuer: entra.issuer, client_id: consoleClientId, scope: `${entra.audience}/.default` };
  return json(200, { local_keys: local ? known : [], entra: signIn });
}

/** The origin that the page gets tokens from. */
function authorityOf({ entra, consoleClientId }: ConsoleDeps): string | undefined {
  return entra === undefined || consoleClientId === undefined ? undefined : new URL(entra.issuer).origin;
}

function fileAnswer(
  deps: ConsoleDeps,
  name: string,
  asked: { readonly "If-None-Match"?: string | undefined; readonly "Accept-Encoding"?: string | undefined },
): Answer<200 | 304> {
  const site = deps.site();
  // A path with a dot names a file; any other is a screen, which the page itself finds.
  const file = site.get(name) ?? (name.includes(".") ? undefined : site.get(PAGE));
  if (file === undefined) throw new Problem("route_not_found", "The console has no such file.");
  const isPage = file === site.get(PAGE);
  const headers = {
    "cache-control": isPage ? "no-cache" : FOR_EVER,
    vary: "Accept-Encoding",
    etag: file.etag,
    ...securityHeaders(authorityOf(deps)),
  };
  if (matchesEtag(asked["If-None-Match"], file.etag)) return { status: 304, headers };
  const isCompressed = /\bgzip\b/i.test(asked["Accept-Encoding"] ?? "");
  const bytes = isCompressed ? file.gzip : file.plain();
  return {
    status: 200,
    headers: {
      ...headers,
      "content-type": file.type,
      "content-length": String(bytes.length),
      ...(isCompressed ? { "content-encoding": "gzip" } : {}),
    },
    body: once(bytes),
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

export const consoleRoutes: readonly Route<ConsoleDeps>[] = [consoleRoute];
