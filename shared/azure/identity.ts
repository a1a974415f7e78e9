import type { TokenCredential } from "@azure/identity";

/** A credential for each client id: a user-assigned identity where one is given, else whatever identity there is. */
export type Credentials = (clientId: string | undefined) => TokenCredential;

/**
 * One credential for each client id.
 * @param defaultClientId of what names none: AZURE_CLIENT_ID
 */
export function credentialsOf(defaultClientId: string | undefined): Credentials {
  const known = new Map<string | undefined, TokenCredential>();
  return (clientId = defaultClientId) => {
    const credential = known.get(clientId) ?? identity(clientId);
    known.set(clientId, credential);
    return credential;
  };
}

/** Loads `@azure/identity` with the first token: keys never ask for one, and a cold start need not wait for it. */
function identity(clientId: string | undefined): TokenCredential {
  let loaded: Promise<TokenCredential> | undefined;
  return {
    getToken: async (scopes, options) => {
      loaded ??= import("@azure/identity").then(({ DefaultAzureCredential, ManagedIdentityCredential }) =>
        clientId === undefined ? new DefaultAzureCredential() : new ManagedIdentityCredential({ clientId }),
      );
      return (await loaded).getToken(scopes, options);
    },
  };
}
