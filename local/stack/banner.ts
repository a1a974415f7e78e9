import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** The local stack's keys, which anybody may know. */
const LOCAL_KEYS = ["local-team-a", "local-team-b", "local-operator"];

export interface Files {
  readonly modelsFile: string;
  readonly tenantsFile: string;
}

/** What a person who has just started the service needs to know: which keys and models there are, and what to open. */
export function bannerOf(url: string, { modelsFile, tenantsFile }: Files): string {
  const tenants = textOf(tenantsFile);
  const hashOf = (key: string) => createHash("sha256").update(key).digest("hex");
  const keys = LOCAL_KEYS.filter((key) => tenants.includes(hashOf(key)));
  const { deployments = [], routes = [] } = catalogueOf(textOf(modelsFile));
  const names = [...new Set([...deployments, ...routes].map(({ model }) => model))];
  return `Keys     ${keys.length === 0 ? `those of ${tenantsFile}` : keys.join(", ")}
Models   ${names.join(", ")}
Open     ${url}/console            the console: sign in with one of these keys
         ${url}/api/health         whether all is well
         ${url}/api/openapi.json   the API
OpenAI   base URL ${url}/openai/v1, for any of OpenAI's SDKs with a tenant's key
Ask      curl -s ${url}/api/models -H 'Authorization: Bearer ${keys[0] ?? "KEY"}'
Stop     Ctrl-C; all data stays
`;
}

/** The app itself says what is wrong with a file. */
function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function catalogueOf(text: string): { deployments?: { model: string }[]; routes?: { model: string }[] } {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
