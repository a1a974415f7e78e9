import { createServer } from "node:net";
import { expect, it } from "vitest";
import { reasonOf } from "../../shared/log.ts";

const caused = (message: string, cause: unknown) => new Error(message, { cause });

it("a reason tells the whole chain of causes", () => {
  expect(reasonOf("a text")).toBe("a text");
  expect(reasonOf(undefined)).toBe("undefined");
  expect(reasonOf(new TypeError("bad"))).toBe("TypeError: bad");
  const chain = caused("read job", caused("fetch failed", caused("connect", "ECONNREFUSED")));
  expect(reasonOf(chain)).toBe("Error: read job (fetch failed (connect (ECONNREFUSED)))");
});

it("a reason opens what failed together", () => {
  const both = new AggregateError([
    new Error("::1 refused"),
    caused("127.0.0.1 refused", new Error("EACCES")),
  ]);
  expect(reasonOf(both)).toBe("AggregateError:  (::1 refused; 127.0.0.1 refused (EACCES))");
  const many = new AggregateError(
    Array.from({ length: 9 }, (_, n) => new Error(`no ${n}`)),
    "all failed",
  );
  expect(reasonOf(many)).toBe("AggregateError: all failed (no 0; no 1; no 2; no 3; no 4; 4 more)");
});

it("a reason says nothing twice, and ends where causes go round", () => {
  expect(reasonOf(caused("sweep failed: no store", new Error("no store")))).toBe(
    "Error: sweep failed: no store",
  );
  const round = new Error("round");
  round.cause = caused("and", round);
  expect(reasonOf(round)).toBe("Error: round (and (round (and (round (and)))))");
});

it("a reason tells why nobody could be reached, by any of his addresses", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  const failed = await fetch(`http://localhost:${port}/`).catch((thrown: unknown) => thrown);
  expect(reasonOf(failed)).toContain(`connect ECONNREFUSED 127.0.0.1:${port}`);
});
