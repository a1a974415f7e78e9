/** The answer to a put-token request: any key is taken here, but the token must be one, and not have expired. */
export interface TokenAnswer {
  readonly code: number;
  readonly description: string;
  /** What the token is for, and until when (Unix ms); undefined when it was refused. */
  readonly grant: { readonly audience: string; readonly until: number } | undefined;
}

/**
 * `type` is `servicebus.windows.net:sastoken` or `jwt`; `name` the audience. A SAS token must have its four parts, a
 * JWT an expiry; the signature of neither is looked at.
 */
export function answerPutToken(
  properties: Record<string, unknown> | undefined,
  token: unknown,
  nowMs: number,
): TokenAnswer {
  if (properties?.operation !== "put-token")
    return refused(400, `operation "${properties?.operation}" is not known`);
  const { name: audience, type } = properties;
  if (typeof audience !== "string" || audience === "") return refused(400, "no audience is named");
  if (typeof token !== "string" || token === "") return refused(401, "there is no token");
  if (type !== "jwt" && type !== "servicebus.windows.net:sastoken") {
    return refused(400, `token type "${type}" is not known`);
  }
  const expiry = type === "jwt" ? expiryOfJwt(token) : expiryOfSas(token);
  if (typeof expiry === "string") return refused(401, expiry);
  const until = expiry * 1_000;
  if (until <= nowMs) return refused(401, "ExpiredToken: it has expired");
  return { code: 202, description: "Accepted", grant: { audience, until } };
}

/** Seconds since 1970, or what is wrong with the token. */
function expiryOfSas(token: string): number | string {
  const match = /^SharedAccessSignature\s+(.+)$/.exec(token);
  if (match === null) return "it is no SharedAccessSignature";
  const parts = new URLSearchParams(match[1]);
  const missing = ["sr", "sig", "se", "skn"].filter((part) => !parts.get(part));
  if (missing.length > 0) return `${missing.join(", ")} missing`;
  const expiry = Number(parts.get("se"));
  return Number.isFinite(expiry) ? expiry : "its expiry is no number";
}

function expiryOfJwt(token: string): number | string {
  const [, payload = ""] = token.split(".");
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString("utf8"));
    const expiry = typeof claims === "object" && claims !== null && "exp" in claims ? claims.exp : undefined;
    return typeof expiry === "number" ? expiry : "it has no expiry";
  } catch {
    return "it is no JSON Web Token";
  }
}

function refused(code: number, why: string): TokenAnswer {
  return { code, description: `The token was refused: ${why}.`, grant: undefined };
}
