/** Put-token requests: any key is taken here, but the token must be one. */
export interface TokenAnswer {
  readonly code: number;
  readonly description: string;
}

const ACCEPTED: TokenAnswer = { code: 202, description: "Accepted" };

/**
 * `type` is `servicebus.windows.net:sastoken` or `jwt`; `name` the audience. A SAS token must have its four parts
 * and not have expired; its signature is not looked at, and neither is a JWT's.
 */
export function answerPutToken(
  properties: Record<string, unknown> | undefined,
  token: unknown,
  nowMs: number,
): TokenAnswer {
  if (properties?.operation !== "put-token")
    return bad(400, `operation "${properties?.operation}" is not known`);
  if (typeof properties.name !== "string" || properties.name === "") return bad(400, "no audience is named");
  if (typeof token !== "string" || token === "") return bad(401, "there is no token");
  if (properties.type === "jwt") return ACCEPTED;
  if (properties.type !== "servicebus.windows.net:sastoken") {
    return bad(400, `token type "${properties.type}" is not known`);
  }
  const match = /^SharedAccessSignature\s+(.+)$/.exec(token);
  if (match === null) return bad(401, "it is no SharedAccessSignature");
  const parts = new URLSearchParams(match[1]);
  const missing = ["sr", "sig", "se", "skn"].filter((part) => !parts.get(part));
  if (missing.length > 0) return bad(401, `${missing.join(", ")} missing`);
  const expiry = Number(parts.get("se"));
  if (!Number.isFinite(expiry)) return bad(401, "its expiry is no number");
  // Tokens carry real time, whatever clock the server was given.
  return expiry * 1_000 > nowMs ? ACCEPTED : bad(401, "ExpiredToken: it has expired");
}

function bad(code: number, why: string): TokenAnswer {
  return { code, description: `The token was refused: ${why}.` };
}
