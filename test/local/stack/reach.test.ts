import { once } from "node:events";
import { createServer } from "node:net";
import { expect, it } from "vitest";
import { ownAccounts, reachOwnAccounts } from "../../../local/stack/reach.ts";

it("finds accounts of the user's own in whatever setting names them", () => {
  expect(ownAccounts({})).toEqual([]);
  expect(ownAccounts({ COSMOS: "nonsense", SERVICEBUS: "Endpoint=;" })).toEqual([]);
  expect(
    ownAccounts({
      COSMOS: "AccountEndpoint=https://acc.documents.azure.com:443/;AccountKey=k",
      SERVICEBUS:
        "Endpoint=sb://127.0.0.1;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true;",
    }),
  ).toEqual([
    { setting: "COSMOS", host: "acc.documents.azure.com", port: 443 },
    { setting: "SERVICEBUS", host: "127.0.0.1", port: 5672 },
  ]);
  const identity = {
    COSMOS__accountEndpoint: "https://acc.documents.azure.com",
    SERVICEBUS__fullyQualifiedNamespace: "ns.servicebus.windows.net",
  };
  expect(ownAccounts(identity)).toEqual([
    { setting: "COSMOS__accountEndpoint", host: "acc.documents.azure.com", port: 443 },
    { setting: "SERVICEBUS__fullyQualifiedNamespace", host: "ns.servicebus.windows.net", port: 5671 },
  ]);
});

it("says in one sentence which account cannot be reached, and nothing of one that can", async () => {
  const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const COSMOS = `AccountEndpoint=http://127.0.0.1:${port}/;AccountKey=k`;
  await reachOwnAccounts({ COSMOS });
  server.close();
  await once(server, "close");
  await expect(reachOwnAccounts({ COSMOS })).rejects.toThrow(
    `COSMOS names 127.0.0.1:${port}, which cannot be reached (ECONNREFUSED): start it or correct the setting, ` +
      "or leave it out for the local Cosmos DB.",
  );
});
