import path from "node:path";
import type { ContentDeps } from "../../shared/audit/contents.ts";
import { ConfigurationError } from "../../shared/errors.ts";
import { catalogueSchema } from "../../shared/model/catalogue.ts";
import { ENDPOINTS } from "../../shared/model/endpoint.ts";
import { CannotSay } from "../../shared/model/protocol/protocol.ts";
import { protocolFor } from "../../shared/model/protocol/protocols.ts";
import type { Environment } from "../../shared/settings.ts";
import { sha256Hex } from "../../shared/sha256.ts";

/**
 * What requests and responses are held against besides their records: the catalogue file, by which attempts' bytes were
 * made of the stored requests. @throws ConfigurationError
 */
export function contentDeps(
  environment: Environment,
  folder: string,
  readText: (file: string) => string,
): ContentDeps {
  const file = path.resolve(folder, environment.MODELS_FILE || "models.json");
  // Not the keys: an auditor has none.
  const parsed = catalogueSchema.safeParse(JSON.parse(readText(file)));
  if (!parsed.success)
    throw new ConfigurationError(
      parsed.error.issues.map((each) => `${file}: /${each.path.join("/")}: ${each.message}`),
    );
  const deployments = new Map(parsed.data.deployments.map((each) => [each.name, each]));
  return {
    contentDays: Number(environment.CONTENT_RETENTION_DAYS || 30),
    sentSha256(name, body) {
      const deployment = deployments.get(name);
      if (deployment === undefined) return undefined;
      // Records do not say which endpoint a request is for.
      return ENDPOINTS.flatMap((endpoint) => {
        const sent = (isStreamed: boolean) =>
          protocolFor(deployment, endpoint).bodyFor(endpoint, body, deployment, isStreamed);
        try {
          return [sha256Hex(sent(false)), sha256Hex(sent(true))];
        } catch (thrown) {
          // Somebody wrote there what is no such request: nothing is sent for it.
          if (thrown instanceof TypeError || thrown instanceof SyntaxError || thrown instanceof CannotSay)
            return [];
          throw thrown;
        }
      });
    },
  };
}
