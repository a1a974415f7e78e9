/** base64url without padding, as RFC 7636 has it. */
export function encodedBytes(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * The code that an issuer sends a visitor back with.
 * @param state as it was sent there; an answer with another one was not asked for by this tab
 * @throws Error that says what the issuer says
 */
export function readCallback(query: URLSearchParams, state: string | undefined): string {
  if (state === undefined || query.get("state") !== state)
    throw new Error("This sign-in was not begun here: sign in again.");
  const code = query.get("code");
  if (code === null) throw new Error(query.get("error_description") ?? query.get("error") ?? "No code came.");
  return code;
}
