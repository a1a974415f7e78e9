import type { LookupAddress } from "node:dns";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock as clock } from "../../../shared/clock.ts";
import { type AddressPolicy, kindOf, privateHost, urlFault } from "../../../shared/webhook/address.ts";
import { createSender, type Resolve } from "../../../shared/webhook/send.ts";
import { Receiver } from "./receiver.ts";

const AZURE: AddressPolicy = { privateHosts: [], loopback: false };
const LOCAL: AddressPolicy = { privateHosts: [], loopback: true };

describe("an address", () => {
  it.each([
    ["8.8.8.8", "public"],
    ["2606:4700::1111", "public"],
    ...["127.0.0.1", "127.9.9.9", "::1"].map((each) => [each, "loopback"]),
    ...["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::1"].map((each) => [
      each,
      "private",
    ]),
    ...[
      "0.0.0.0",
      "169.254.169.254",
      "168.63.129.16",
      "192.0.0.8",
      "198.18.0.1",
      "224.0.0.1",
      "255.255.255.255",
    ].map((each) => [each, "shut"]),
    ...[
      "::",
      "fe80::1",
      "ff02::1",
      "::ffff:10.0.0.1",
      "::ffff:8.8.8.8",
      "::127.0.0.1",
      "64:ff9b::7f00:1",
    ].map((each) => [each, "shut"]),
    ...["2002:7f00:1::", "2001:db8::1", "no address", ""].map((each) => [each, "shut"]),
  ])("%s is %s", (address, kind) => expect(kindOf(address ?? "")).toBe(kind));
});

describe("a URL", () => {
  const PRIVATE: AddressPolicy = {
    ...AZURE,
    privateHosts: [
      { host: "hooks.corp", port: undefined },
      { host: "10.1.2.3", port: 8443 },
    ],
  };
  it.each([
    ["https://hooks.example/x?y=1", AZURE, undefined],
    ["https://hooks.example:443/", AZURE, undefined],
    ["http://hooks.example/", AZURE, "must begin with https://"],
    ["ftp://hooks.example/", AZURE, "must begin with https://"],
    ["https://hooks.example:8443/", AZURE, "must be at port 443"],
    ["https://me:secret@hooks.example/", AZURE, "must hold no credential"],
    ["https://127.0.0.1/", AZURE, "is not a public address"],
    ["https://2130706433/", AZURE, "is not a public address"],
    ["https://0x7f.1/", AZURE, "is not a public address"],
    ["https://[::ffff:169.254.169.254]/", AZURE, "is not a public address"],
    ["https://169.254.169.254/latest/meta-data", PRIVATE, "is not a public address"],
    ["https://10.1.2.3/", PRIVATE, "must be at port 8443"],
    ["https://10.1.2.3:8443/", PRIVATE, undefined],
    ["http://hooks.corp/", PRIVATE, undefined],
    ["http://127.0.0.1:8080/", LOCAL, undefined],
    ["http://localhost:8080/", LOCAL, undefined],
    ["https://10.0.0.1/", LOCAL, "is not a public address"],
    ["no url", LOCAL, "is not a URL"],
  ] as const)("%s", (url, policy, fault) => expect(urlFault(url, policy)).toBe(fault));

  it("of a host that an operator opens is said as it is in a URL", () => {
    expect(privateHost("hooks.corp:8443")).toEqual({ host: "hooks.corp", port: 8443 });
    expect(privateHost("[fd00::1]")).toEqual({ host: "fd00::1", port: undefined });
    for (const none of ["", "http://hooks.corp", "hooks.corp/x", "a b"])
      expect(privateHost(none)).toBeUndefined();
  });
});

describe("a connection", () => {
  const receiver = new Receiver();
  beforeAll(() => receiver.start());
  afterAll(() => receiver.stop());

  const loopback: LookupAddress = { address: "127.0.0.1", family: 4 };
  const send = async (url: string, policy: AddressPolicy, resolve: Resolve) => {
    const sender = createSender({ policy, resolve, clock });
    try {
      return await sender.post(url, {}, "{}");
    } finally {
      await sender.close();
    }
  };
  const at = (host: string) => `http://${host}:${receiver.port}/`;
  const open = (host: string, policy: AddressPolicy): AddressPolicy => ({
    ...policy,
    privateHosts: [{ host, port: receiver.port }],
  });

  it("goes to the address that was checked, with the name as it is", async () => {
    const before = receiver.received.length;
    expect(await send(at("hooks.test"), open("hooks.test", LOCAL), async () => [loopback])).toMatchObject({
      status_code: 204,
    });
    expect(receiver.received.slice(before)).toMatchObject([
      { headers: { host: `hooks.test:${receiver.port}` } },
    ]);
  });

  it.each([
    ["one of several", [{ address: "8.8.8.8", family: 4 }, loopback]],
    ["the only one", [loopback]],
    ["metadata", [{ address: "169.254.169.254", family: 4 }]],
  ])("is not made where %s is no place to go", async (_what, addresses) => {
    const before = receiver.received.length;
    const attempt = await send(at("hooks.test"), open("hooks.test", AZURE), async () => addresses);
    expect(attempt).toMatchObject({ status_code: null, error: "address_not_allowed" });
    expect(receiver.received.length).toBe(before);
  });

  it("is checked at each try: a name that means another server by then leads nowhere", async () => {
    const answers: LookupAddress[][] = [[{ address: "8.8.8.8", family: 4 }], [loopback]];
    const resolve: Resolve = async () => answers.shift() ?? [loopback];
    const policy = open("rebound.test", AZURE);
    const sender = createSender({ policy, resolve, clock });
    // As at registration: it is public.
    expect(await sender.fault(at("rebound.test"))).toBeUndefined();
    const before = receiver.received.length;
    expect(await sender.post(at("rebound.test"), {}, "{}")).toMatchObject({ error: "address_not_allowed" });
    expect(await sender.fault(at("rebound.test"))).toBe("is not at a public address");
    expect(receiver.received.length).toBe(before);
    await sender.close();
  });

  it("follows no redirect, and keeps nothing of an answer but its status", async () => {
    receiver.answer("/", (response) =>
      response.writeHead(302, { location: receiver.url("/secret") }).end("x".repeat(1e6)),
    );
    const attempt = await send(receiver.url(), LOCAL, async () => [loopback]);
    expect(Object.keys(attempt).sort()).toEqual(["at_ms", "error", "latency_ms", "status_code"]);
    expect(attempt).toMatchObject({ status_code: 302, error: null });
    expect(receiver.at("/secret")).toEqual([]);
    receiver.answer("/", undefined);
  });

  it("that fails says how", async () => {
    const nowhere = new Receiver();
    await nowhere.start();
    const url = nowhere.url();
    await nowhere.stop();
    const local = async () => [loopback];
    expect(await send(url, LOCAL, local)).toMatchObject({ error: "connection_failed" });
    expect(await send(`https://localhost:${receiver.port}/`, LOCAL, local)).toMatchObject({
      error: "tls_failed",
    });
    const unknown: Resolve = () => Promise.reject(new Error("ENOTFOUND"));
    expect(await send("https://hooks.test/", AZURE, unknown)).toMatchObject({ error: "not_resolved" });
  });
});
