/** Lower-case hex of a text's UTF-8. Browsers give that to pages of a secure origin only: https, or this machine. */
export async function sha256Hex(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const canHash = (): boolean => isSecureContext;
