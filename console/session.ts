/** Who is signed in, for as long as this tab is open: a credential is never in the URL, and in no other storage. */
export interface Session {
  readonly credential: string;
  readonly kind: Kind;
}
export type Kind = "tenant" | "operator";

const NAME = "switchyard.session";

export function savedSession(): Session | undefined {
  const text = sessionStorage.getItem(NAME);
  return text === null ? undefined : (JSON.parse(text) as Session);
}

/** @param session undefined: signed out */
export function saveSession(session: Session | undefined): void {
  if (session === undefined) sessionStorage.removeItem(NAME);
  else sessionStorage.setItem(NAME, JSON.stringify(session));
}
