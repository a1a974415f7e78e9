import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import type { Container } from "@azure/cosmos";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { seeded } from "../../../local/faults.ts";
import { signedHeaders } from "./signed-request.ts";
import { openWorld, statusOf, type World } from "./world.ts";

let world: World;
let items: Container;
beforeAll(async () => {
  world = await openWorld();
  items = await world.container(["/pk"]);
  return () => world.close();
});

/** Sends bytes as they are; answers what comes back until the other end closes. */
async function sent(...parts: (string | Buffer)[]): Promise<string> {
  const socket = connect(world.cosmos.port, "127.0.0.1");
  let answer = "";
  socket.on("data", (bytes) => {
    answer += bytes.toString("latin1");
  });
  socket.on("error", () => undefined);
  for (const part of parts) socket.write(part);
  socket.end();
  // Not by events.once, which rejects where the server closes before all of it is written.
  await new Promise((resolve) => socket.once("close", resolve));
  return answer;
}

let created = 0;
afterEach(async () => {
  expect(await statusOf(items.items.create({ id: `alive${++created}`, pk: "p" }))).toBe(201);
});

describe("below the SDK", () => {
  it.each([
    ["no HTTP", "hello\r\n\r\n", 400],
    ["another protocol", Buffer.from("16030100", "hex"), 400],
    ["a header without a colon", "GET / HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n", 400],
    ["two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400],
    [
      "a chunk that is none",
      "POST /dbs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      400,
    ],
    ["100 kB of headers", `GET / HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(100_000)}\r\n\r\n`, 431],
    ["a path that is no URL", "GET /dbs/%E0%A4%A HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400],
    ["a path of nothing", "GET /nothing/here HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404],
  ])("%s is answered, and says what is wrong", async (_, bytes, status) => {
    const answer = await sent(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain('"message"');
  });

  it("bytes at random are survived", async () => {
    const random = seeded(Number(process.env.SEED ?? 1));
    const count = process.env.LONG === "1" ? 10_000 : 300;
    const starts = [
      "",
      "GET / HTTP/1.1\r\n",
      "POST /dbs/test/colls/c/docs HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n",
    ];
    for (let n = 0; n < count; n += 50) {
      const lot = Array.from({ length: 50 }, () =>
        sent(starts[Math.floor(random() * starts.length)] ?? "", randomBytes(Math.floor(random() * 400))),
      );
      await Promise.all(lot);
    }
  });

  it("a body over the limit is refused without being read to its end", async () => {
    const { headers } = signed("POST", `/dbs/test/colls/${items.id}/docs`);
    const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const start = `POST /dbs/test/colls/${items.id}/docs HTTP/1.1\r\nHost: x\r\n${head.join("")}Content-Length: 1000000000\r\n\r\n`;
    const answer = await sent(start, Buffer.alloc(6 * 1024 * 1024, "x"));
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toMatch(/connection: close/i);
  });

  it("half a request keeps nobody else waiting, and leaves nothing behind", async () => {
    const open = Array.from({ length: 50 }, () => connect(world.cosmos.port, "127.0.0.1"));
    for (const socket of open) {
      socket.on("error", () => undefined);
      socket.write("POST /dbs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n");
    }
    expect(await statusOf(items.items.create({ id: "meanwhile", pk: "p" }))).toBe(201);
    for (const socket of open) socket.destroy();
  });

  it.each([
    ["no JSON", "{", 400],
    ["no object", "[1]", 400],
    ["a name twice over, the last one counting", '{"id":"twice","pk":"a","pk":"p"}', 201],
  ])("a body that is %s", async (_, body, status) => {
    const { url, headers } = signed("POST", `/dbs/test/colls/${items.id}/docs`);
    const answer = await fetch(url, {
      method: "POST",
      body,
      headers: { ...headers, "x-ms-documentdb-partitionkey": '["p"]' },
    });
    expect(answer.status).toBe(status);
  });

  it.each(["x", "{}", "[", '["p","q"]'])("the partition key header %j is refused", async (key) => {
    const { url, headers } = signed("POST", `/dbs/test/colls/${items.id}/docs`);
    const body = JSON.stringify({ id: "k", pk: "p" });
    const answer = await fetch(url, {
      method: "POST",
      body,
      headers: { ...headers, "x-ms-documentdb-partitionkey": key },
    });
    expect(answer.status).toBe(400);
  });

  it("a verb that is none of a resource's is 405", async () => {
    const { url, headers } = signed("PUT", `/dbs/test/colls/${items.id}/docs`);
    expect((await fetch(url, { method: "PUT", body: "{}", headers })).status).toBe(405);
  });
});

/** A request on the items of a container, signed with the emulator's key. */
function signed(verb: string, path: string) {
  const headers = signedHeaders(verb, { type: "docs", link: path.slice(1, -"/docs".length) });
  return { url: `http://127.0.0.1:${world.cosmos.port}${path}`, headers };
}
