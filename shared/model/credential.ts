import type { TokenCredential } from "@azure/identity";
import type { Deployment } from "./catalogue.ts";
import type { Credential } from "./protocol/protocol.ts";

export interface CredentialDeps {
  /** App settings, where keys are found by name. */
  readonly settings: Readonly<Record<string, string | undefined>>;
  readonly credential: () => TokenCredential;
}

/** A key, or an Entra token; null: the deployment wants none. */
export async function credentialFor(
  { auth }: Deployment,
  deps: CredentialDeps,
  abortSignal: AbortSignal,
): Promise<Credential | null> {
  if (auth.kind === "none") return null;
  if (auth.kind === "api_key") return { kind: auth.kind, value: deps.settings[auth.setting] ?? "" };
  const token = await deps.credential().getToken(auth.scope, { abortSignal });
  if (token === null) throw new Error(`no token for ${auth.scope}`);
  return { kind: auth.kind, value: token.token };
}
