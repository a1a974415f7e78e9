import { linkTo, placeOf, ROOT } from "./rows/location.ts";
import { encodedBytes, readCallback } from "./rows/pkce.ts";

/** Where and as what this page's visitors sign in: authorization code with PKCE, by redirects. */
export interface Entra {
  readonly issuer: string;
  readonly client_id: string;
  readonly scope: string;
}

/** What must survive the way to the issuer and back. */
interface Begun {
  readonly verifier: string;
  readonly state: string;
  readonly place: string;
}

const NAME = "switchyard.sign-in";
const RANDOM_BYTES = 32;

const redirectUri = () => `${location.origin}${ROOT}`;
const randomText = () => encodedBytes(crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)));

interface Endpoints {
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
}

async function endpointsOf({ issuer }: Entra): Promise<Endpoints> {
  const answer = await fetch(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
  if (!answer.ok) throw new Error(`The issuer answers ${answer.status}: nobody can sign in there now.`);
  return (await answer.json()) as Endpoints;
}

/** Leaves this page for the issuer's. */
export async function beginSignIn(entra: Entra): Promise<void> {
  const { authorization_endpoint } = await endpointsOf(entra);
  const begun: Begun = {
    ...{ verifier: randomText(), state: randomText() },
    place: location.pathname + location.search,
  };
  sessionStorage.setItem(NAME, JSON.stringify(begun));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(begun.verifier));
  const query = new URLSearchParams({
    ...{ client_id: entra.client_id, response_type: "code", response_mode: "query" },
    ...{ redirect_uri: redirectUri(), scope: entra.scope, state: begun.state },
    ...{ code_challenge: encodedBytes(new Uint8Array(digest)), code_challenge_method: "S256" },
  });
  location.assign(`${authorization_endpoint}?${query}`);
}

/** Whether the issuer has just sent the visitor back. */
export function isBack(): boolean {
  return sessionStorage.getItem(NAME) !== null && new URLSearchParams(location.search).has("state");
}

/** The visitor's access token. The URL is again what it was before. @throws Error that says why there is none */
export async function finishSignIn(entra: Entra): Promise<string> {
  const begun = JSON.parse(sessionStorage.getItem(NAME) ?? "{}") as Partial<Begun>;
  sessionStorage.removeItem(NAME);
  const sent = new URLSearchParams(location.search);
  const { pathname, search } = new URL(begun.place ?? ROOT, location.origin);
  const place = placeOf(pathname, search);
  // Neither the code nor the state stays in the history.
  history.replaceState(null, "", linkTo(place.path, Object.fromEntries(place.query)));
  const code = readCallback(sent, begun.state);
  const { token_endpoint } = await endpointsOf(entra);
  const answer = await fetch(token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      ...{ grant_type: "authorization_code", client_id: entra.client_id, code },
      ...{ redirect_uri: redirectUri(), code_verifier: begun.verifier ?? "", scope: entra.scope },
    }),
  });
  const body = (await answer.json()) as { access_token?: string; error_description?: string };
  if (body.access_token === undefined)
    throw new Error(body.error_description ?? `The issuer answers ${answer.status}.`);
  return body.access_token;
}
