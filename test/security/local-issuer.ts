import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;

export const AUDIENCE = "api://switchyard-test";

/** What a token says and how it is signed, where it is not as it should be. Undefined leaves a claim out. */
export interface Forged {
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Signed with the second key the issuer publishes, or with one it does not. */
  readonly signedWith?: "second" | "rogue";
  readonly kid?: string;
}

/** A token issuer on loopback that publishes its configuration and two keys over HTTP, as Entra does. */
export class LocalIssuer {
  readonly #keys = new Map<string, Keys>();
  #server: Server | undefined;
  url = "";
  /** Where people sign in; answers whether the request was for it. */
  page: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;

  async start(): Promise<void> {
    for (const kid of ["first", "second", "rogue"]) {
      this.#keys.set(kid, await generateKeyPair("RS256", { extractable: true }));
    }
    const published = await Promise.all(
      ["first", "second"].map(async (kid) => ({
        ...(await exportJWK(this.#key(kid).publicKey)),
        ...{ kid, alg: "RS256", use: "sig" },
      })),
    );
    const server = createServer((request, response) => {
      if (this.page?.(request, response)) return;
      const body = request.url?.endsWith("/.well-known/openid-configuration")
        ? {
            ...{ issuer: this.url, jwks_uri: `${this.url}/keys` },
            ...{ authorization_endpoint: `${this.url}/authorize`, token_endpoint: `${this.url}/token` },
          }
        : { keys: published };
      // Pages of applications read it too.
      const headers = { "content-type": "application/json", "access-control-allow-origin": "*" };
      response.writeHead(200, headers).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tenant/v2.0`;
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve) ?? resolve(undefined));
  }

  #key(kid: string): Keys {
    const keys = this.#keys.get(kid);
    if (keys === undefined) throw new Error(`no key ${kid}`);
    return keys;
  }

  #claims(appId: string, claims: Forged["claims"] = {}): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1000);
    return { iss: this.url, aud: AUDIENCE, azp: appId, iat: now, nbf: now, exp: now + 3600, ...claims };
  }

  token(appId: string, { claims, signedWith, kid = "first" }: Forged = {}): Promise<string> {
    return new SignJWT(this.#claims(appId, claims))
      .setProtectedHeader({ alg: "RS256", kid })
      .sign(this.#key(signedWith ?? "first").privateKey);
  }

  unsigned(appId: string): string {
    return new UnsecuredJWT(this.#claims(appId)).encode();
  }

  /** Signed with the public key as if that were a shared secret. */
  async signedWithPublicKey(appId: string): Promise<string> {
    const secret = new TextEncoder().encode(await exportSPKI(this.#key("first").publicKey));
    return new SignJWT(this.#claims(appId)).setProtectedHeader({ alg: "HS256", kid: "first" }).sign(secret);
  }

  /** A good token whose payload was changed after it was signed. */
  async tampered(appId: string, as: string): Promise<string> {
    const [header, payload = "", signature] = (await this.token(appId)).split(".");
    const changed = Buffer.from(payload, "base64url").toString().replace(appId, as);
    return [header, Buffer.from(changed).toString("base64url"), signature].join(".");
  }
}
