import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { freePort } from "../../free-port.ts";
import { alive } from "../alive.ts";
import { end, gone, type Note, ready, Stacks, send, until } from "../stacks.ts";

const stacks = new Stacks();

describe("npm start -- --split", () => {
  it("runs each group of functions in processes of its own, N of each, and starts them again", {
    tags: ["long"],
  }, async () => {
    const port = await freePort();
    const stack = stacks.start(["--split", "--instances", "2"], {
      SERVICEBUS_PORT: String(port),
      FIXTURE_TIMER: "* * * * * *",
    });
    const url = await ready(stack);
    const { host, groups = {} } = stacks.processes();
    const names = ["http", "function:work", "function:dead", "function:tick"];
    expect(Object.keys(groups).sort()).toEqual([...names].sort());
    for (const name of names) expect(groups[name], name).toHaveLength(2);
    expect(Object.values(groups).flat().sort()).toEqual([...host].sort());

    const ask = async () => {
      const response = await fetch(`${url}/api/echo/1`, { headers: { connection: "close" } });
      return ((await response.json()) as Note).pid;
    };
    expect(new Set([await ask(), await ask(), await ask()])).toEqual(new Set(groups.http));
    await send(port, { n: 1 }, { n: 2, fail: "always" });
    await until(() => stacks.of("dead").length > 0 && stacks.of("ticked").length > 0);
    for (const { fn, pid } of stacks.notes()) {
      const name = `function:${fn === "worked" ? "work" : fn === "ticked" ? "tick" : fn}`;
      if (name in groups) expect(groups[name], fn).toContain(pid);
    }
    // Each process has a name of its own.
    const instances = new Map(
      stacks.notes().flatMap(({ pid, instance }) => (instance ? [[pid, instance]] : [])),
    );
    expect(instances.size).toBe(host.length);
    expect(new Set([...instances.values()].map((name) => name.slice(0, 8))).size).toBe(host.length);

    const [killed = 0] = groups["function:work"] ?? [];
    process.kill(killed, "SIGKILL");
    await until(() => {
      const now = stacks.processes().groups?.["function:work"] ?? [];
      return now.length === 2 && !now.includes(killed);
    });
    expect(await end(stack, "SIGINT")).toBe(0);
    for (const pid of stacks.processes().host) expect(alive(pid)).toBe(false);
  });
});

describe("npm start -- --split --freeze", () => {
  const frozen = () => stacks.processes().frozen ?? [];
  const group = (name: string) => stacks.processes().groups?.[name] ?? [];
  const noted = (fn: string, n: number) => stacks.of(fn).some(({ message }) => message?.n === n);

  /** Looks all the while whether the one process of a group is frozen before `work` has ended. */
  async function staysAwake(name: string, work: Promise<unknown>): Promise<void> {
    const [pid = 0] = group(name);
    let ended = false;
    work.then(() => {
      ended = true;
    });
    await until(() => {
      if (!ended && frozen().includes(pid)) throw new Error(`${name} was frozen in the middle`);
      return ended;
    });
  }

  it.each(["--freeze", "--freeze=hard"])(
    "%s freezes idle processes, wakes them for their work, and takes them away",
    { tags: ["long"] },
    async (freeze) => {
      const port = await freePort();
      const stack = stacks.start(["--split", freeze, "--seed", "1"], {
        SERVICEBUS_PORT: String(port),
        FREEZE_TIME_SCALE: "0.25",
      });
      const url = await ready(stack);
      // A client that keeps its connection, as most do.
      const ask = async (path = "echo/1") => (await fetch(`${url}/api/${path}`)).text();
      await ask();
      await until(() => frozen().length === 3);
      const before = stacks.processes().host;
      expect(await ask()).toContain(`"pid":${group("http")[0]}`);
      await send(port, { n: 1 });
      await until(() => noted("worked", 1));

      // An open invocation is never frozen, however long.
      await send(port, { n: 2, ms: 2_000 });
      await until(() => noted("work", 2));
      await staysAwake(
        "function:work",
        until(() => noted("worked", 2)),
      );
      const slow = ask("slow/2000");
      await until(() => stacks.of("slow").length > 0);
      await staysAwake("http", slow);

      // Idle for longer they are taken away, and come back for their work.
      await until(() => stacks.processes().host.length === 0);
      if (freeze === "--freeze") expect(stacks.of("terminated").length).toBeGreaterThanOrEqual(3);
      else expect(stacks.of("terminated")).toEqual([]);
      const asked = ask();
      await send(port, { n: 3, fail: "always" });
      expect(await asked).toContain('"pid"');
      await until(() => noted("dead", 3));
      await until(() => frozen().length > 0);
      const last = stacks.processes().host;
      expect(last.filter((pid) => before.includes(pid))).toEqual([]);
      expect(await end(stack, "SIGINT")).toBe(0);
      for (const pid of last) expect(alive(pid)).toBe(false);
    },
  );

  it("runs a timer when it is due though its process was frozen or gone", { tags: ["long"] }, async () => {
    const stack = stacks.start(["--split", "--freeze", "--instances", "2"], {
      FIXTURE_QUEUES: "off",
      FIXTURE_TIMER: "*/4 * * * * *",
      FREEZE_TIME_SCALE: "0.1",
    });
    await ready(stack);
    await until(() => group("function:tick").length === 0);
    const before = stacks.of("ticked").length;
    await until(() => stacks.of("ticked").length >= before + 2);
    expect(await end(stack, "SIGTERM")).toBe(0);
  });

  it("leaves no process behind when it is killed, a frozen one neither", { tags: ["long"] }, async () => {
    const stack = stacks.start(["--split", "--freeze"], { FREEZE_TIME_SCALE: "0.1" });
    await ready(stack);
    await until(() => frozen().length > 0);
    const { host, emulators } = stacks.processes();
    stack.child.kill("SIGKILL");
    for (const pid of [...host, emulators]) await gone(pid);
  });

  it("is refused beside a Service Bus that is not its own", async () => {
    const another = createServer().listen(0, "127.0.0.1");
    await once(another, "listening");
    const { port } = another.address() as AddressInfo;
    const SERVICEBUS = `Endpoint=sb://127.0.0.1:${port};SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true`;
    const stack = stacks.start(["--split", "--freeze"], { SERVICEBUS });
    expect(await once(stack.child, "close")).toEqual([1, null]);
    expect(stack.stderr()).toContain("--freeze asks the local Service Bus");
    another.close();
  });
});
