/**
 * What a browser lets the console's page do: load its own files, call its own origin, and nothing else. Text never
 * becomes markup, no other page frames it, and no other window has a handle on it.
 * @param authority the origin that tokens come from; undefined: keys only
 */
export function securityHeaders(authority: string | undefined): Readonly<Record<string, string>> {
  const connect = authority === undefined ? "'self'" : `'self' ${authority}`;
  return {
    "content-security-policy": [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' data:",
      `connect-src ${connect}`,
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ].join("; "),
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "strict-transport-security": "max-age=31536000",
  };
}
