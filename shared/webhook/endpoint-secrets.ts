import type { Sealed, Secrets } from "../control/secrets.ts";
import type { Endpoint } from "./endpoint.ts";
import { hintOf, SECRET_BYTES, secretOf } from "./signature.ts";

const PURPOSE = "webhooks";
/** A sealed secret is that endpoint's alone: moved into another it cannot be read. */
const ownerOf = (tenantId: string, endpointId: string) => `${tenantId}/${endpointId}`;

/** A new secret: its text is shown once. @throws StoreUnavailable */
export async function newSecret(
  {
    secrets,
    randomHex,
  }: { readonly secrets: Pick<Secrets, "seal">; readonly randomHex: (bytes: number) => string },
  tenantId: string,
  endpointId: string,
): Promise<{ readonly text: string; readonly stored: Pick<Endpoint, "secret" | "secret_hint"> }> {
  const text = secretOf(randomHex(SECRET_BYTES));
  const secret = await secrets.seal(PURPOSE, text, ownerOf(tenantId, endpointId));
  return { text, stored: { secret, secret_hint: hintOf(text) } };
}

export function openSecret(
  secrets: Pick<Secrets, "open">,
  tenantId: string,
  endpointId: string,
  sealed: Sealed,
): ReturnType<Secrets["open"]> {
  return secrets.open(PURPOSE, sealed, ownerOf(tenantId, endpointId));
}

/**
 * The endpoint with its secrets under the root of now: one that stayed under the root before would be lost with the next
 * rotation. Undefined: they are.
 */
export async function reseal(
  secrets: Pick<Secrets, "seal" | "open">,
  tenantId: string,
  endpoint: Endpoint,
): Promise<Endpoint | undefined> {
  const names = ["secret", "previous_secret"] as const;
  const renewed = await Promise.all(
    names.map(async (name) => {
      const sealed = endpoint[name];
      const opened = sealed && (await openSecret(secrets, tenantId, endpoint.id, sealed));
      if (opened?.isOld !== true) return {};
      return { [name]: await secrets.seal(PURPOSE, opened.text, ownerOf(tenantId, endpoint.id)) };
    }),
  );
  const changes: Partial<Endpoint> = Object.assign({}, ...renewed);
  return Object.keys(changes).length === 0 ? undefined : { ...endpoint, ...changes };
}
