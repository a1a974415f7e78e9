import { createHmac } from "node:crypto";
import { EMULATOR_KEY } from "../../../local/cosmos/authorization.ts";

/** What is signed besides verb and date: the type of what is asked for, and the link to what it is in, or to itself. */
export interface Signed {
  readonly type: string;
  readonly link: string;
}

/** The headers of a request signed with the emulator's key. */
export function signedHeaders(verb: string, { type, link }: Signed): Record<string, string> {
  const date = new Date().toUTCString();
  const text = `${verb.toLowerCase()}\n${type}\n${link}\n${date.toLowerCase()}\n\n`;
  const sig = createHmac("sha256", Buffer.from(EMULATOR_KEY, "base64")).update(text).digest("base64");
  return { authorization: encodeURIComponent(`type=master&ver=1.0&sig=${sig}`), "x-ms-date": date };
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  /** The parsed JSON of an answer. */
  readonly json: () => never;
}

/** Requests as they go over the wire, with the headers that the .NET SDK sends. */
export class RawClient {
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  async send(
    verb: string,
    path: string,
    signed: Signed,
    headers: Record<string, string> = {},
    body?: string | Buffer,
  ): Promise<RawAnswer> {
    const all = { ...signedHeaders(verb, signed), "x-ms-version": "2020-07-15", ...headers };
    const sent = body === undefined ? {} : { body: typeof body === "string" ? body : new Uint8Array(body) };
    const answer = await fetch(`http://127.0.0.1:${this.#port}${path}`, {
      method: verb,
      headers: all,
      ...sent,
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    return {
      status: answer.status,
      headers: answer.headers,
      bytes,
      json: () => JSON.parse(String(bytes)) as never,
    };
  }

  /** The items of a container of the database `test`: its feed, or with a body what is posted to it. */
  items(container: string, headers: Record<string, string>, body?: string | Buffer): Promise<RawAnswer> {
    const link = `dbs/test/colls/${container}`;
    const verb = body === undefined ? "GET" : "POST";
    return this.send(verb, `/${link}/docs`, { type: "docs", link }, headers, body);
  }

  query(container: string, query: string, headers: Record<string, string> = {}): Promise<RawAnswer> {
    const more = {
      "content-type": "application/query+json",
      "x-ms-documentdb-isquery": "True",
      "x-ms-documentdb-partitionkeyrangeid": "0",
    };
    return this.items(container, { ...more, ...headers }, JSON.stringify({ query }));
  }
}
