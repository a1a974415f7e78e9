import type { Nudge } from "../../../shared/job/ports.ts";
import type { Releases } from "../../../shared/quota/ports.ts";
import type { Service } from "../../../shared/service.ts";
import { answer, completion } from "../labs.ts";
import { type Instance, TestClock, World } from "../world.ts";

type Queue = "nudges" | "releases";
type Message = Nudge | { readonly dispatch: true };

/** A process's time: while it is frozen its timers stand still, once it is gone they are no more. */
class ProcessClock extends TestClock {
  readonly #time: TestClock;
  isFrozen = false;
  isGone = false;
  /** How far the host's clock was set ahead, ms. */
  aheadMs = 0;
  #waiting: (() => void)[] = [];

  constructor(time: TestClock) {
    super();
    this.#time = time;
  }

  override now(): number {
    return this.#time.now() + this.aheadMs;
  }

  override monotonic(): number {
    return this.#time.now();
  }

  override after(delayMs: number, run: () => void): () => void {
    return this.#time.after(delayMs, () => {
      if (this.isFrozen) this.#waiting.push(run);
      else if (!this.isGone) run();
    });
  }

  thaw(): void {
    this.isFrozen = false;
    for (const run of this.#waiting.splice(0)) run();
  }
}

/** A process of the service. */
export class Process {
  readonly clock: ProcessClock;
  readonly #instance: Instance;

  constructor({ world, messages }: Processes, name: string) {
    this.clock = new ProcessClock(world.clock);
    const send =
      (queue: Queue) =>
      async (message: Message, options: { atMs?: number } = {}) =>
        void messages.push({ queue, message, atMs: options.atMs ?? 0 });
    const released = send("releases");
    const releases: Releases & { send: typeof released } = {
      send: released,
      release: async (jobs) => {
        for (const { key, grant } of jobs) await released({ v: 1, ...key, grant });
      },
      giveUp: async (jobs) => {
        for (const job of jobs) await released({ v: 1, ...job });
      },
      dispatch: (atMs) => released({ dispatch: true }, atMs === undefined ? {} : { atMs }),
    };
    const change = { clock: this.clock, nudges: { send: send("nudges") }, releases };
    this.#instance = world.instance(name, change);
  }

  get service(): Service {
    return this.#instance.service;
  }

  /** An invocation of the function that the message is for. */
  take(message: Message): Promise<void> {
    if (!("dispatch" in message)) return this.#instance.run(message);
    return this.service.invocation(() => this.service.dispatcher.run());
  }

  sweep(): Promise<void> {
    return this.#instance.sweep();
  }
}

/** The test world in several processes, with queues that a test delivers and a lab whose calls take as long as it says. */
export class Processes {
  readonly world: World;
  readonly messages: { readonly queue: Queue; readonly message: Message; readonly atMs: number }[] = [];
  /** How long a call of the lab takes. */
  callMs = 0;
  running = 0;
  mostRunning = 0;
  readonly #underWay = new Set<Promise<void>>();

  private constructor(world: World, limits: object) {
    this.world = world;
    world.catalogue = world.labs.catalogue({ name: "one", limits });
    world.labs.reply("one", (call) => {
      this.mostRunning = Math.max(this.mostRunning, ++this.running);
      const end = () => {
        this.running--;
        answer(200, completion("Hi"))(call);
      };
      if (this.callMs === 0) end();
      else world.clock.after(this.callMs, end);
    });
  }

  /** @param limits of the one deployment */
  static async open(limits: object): Promise<Processes> {
    const settings = { leaseSeconds: 20, sweepSeconds: 5, maxAttempts: 5, maxDeadlineSeconds: 86_400 };
    return new Processes(await World.open({ settings }), limits);
  }

  get clock(): TestClock {
    return this.world.clock;
  }

  get calls(): number {
    return this.world.labs.calls.length;
  }

  process(name: string): Process {
    return new Process(this, name);
  }

  /** So many jobs, as they are stored once they were accepted, and their nudges. */
  async accept(count: number): Promise<Nudge[]> {
    const job = { model: "one-model", deadlineMs: this.clock.now() + 86_400_000 };
    const nudges: Nudge[] = [];
    for (let n = 0; n < count; n++) nudges.push(await this.world.accepted(job));
    return nudges;
  }

  /** Takes what is due off the queues, each message by the process that `whose` names; undefined: it stays. */
  deliver(whose: (queue: Queue, n: number) => Process | undefined): void {
    for (const [n, each] of [...this.messages].entries()) {
      const process = each.atMs <= this.clock.now() ? whose(each.queue, n) : undefined;
      if (process === undefined) continue;
      this.messages.splice(this.messages.indexOf(each), 1);
      // It goes on while the test turns the clock.
      const underWay = process
        .take(each.message)
        .catch(() => undefined)
        .finally(() => this.#underWay.delete(underWay));
      this.#underWay.add(underWay);
    }
  }

  get invocations(): number {
    return this.#underWay.size;
  }

  /** Turns the clock in small steps until it has come to pass. */
  turnUntil(isDone: () => boolean, each: () => void = () => undefined, stepMs = 50): Promise<void> {
    const isOver = () => {
      if (isDone()) return true;
      each();
      return false;
    };
    return this.world.turnUntil(isOver, stepMs);
  }

  close(): Promise<void> {
    return this.world.close();
  }
}
