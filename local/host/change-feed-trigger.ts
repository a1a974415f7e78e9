import { ChangeFeedStartFrom, CosmosClient } from "@azure/cosmos";
import type { Clock } from "../clock.ts";
import { connectionOf, type Env, resolveSettings } from "./app-settings.ts";
import type { RegisteredFunction } from "./core-api.ts";
import type { FeedStore } from "./feed-store.ts";
import type { HostLog } from "./host-log.ts";
import type { Invoker } from "./invocation.ts";

/** A page of a change feed. `continuation` stands after its items. */
export interface FeedPage {
  readonly items: readonly unknown[];
  readonly continuation: string;
}

/** Reads a feed page by page; a page may be empty. */
export interface FeedReader {
  next(): Promise<FeedPage>;
}

interface FeedDependencies {
  readonly store: FeedStore;
  readonly invoker: Pick<Invoker, "invoke">;
  readonly clock: Clock;
  readonly log: HostLog;
  /** Reads from `continuation` on; undefined: from where the trigger's options say. */
  readonly open: (continuation: string | undefined) => Promise<FeedReader>;
}

const LEASE_MS = 5_000;
const RENEW_MS = 1_500;
/** The cloud's default of `feedPollDelay`. */
const DEFAULT_POLL_MS = 5_000;
const DEFAULT_PAGE_ITEMS = 100;

/**
 * Hands the changes of a container to a function, page by page, in one process of the stack at a time. A page is noted
 * as handled after its run, so a killed host's page comes again; as in the cloud, a page whose run throws does not.
 */
export class ChangeFeedTrigger {
  readonly #fn: RegisteredFunction;
  readonly #deps: FeedDependencies;
  readonly #pollMs: number;
  #reader: FeedReader | undefined;
  #cancel: () => void = () => undefined;
  #stopped = false;
  #turn: Promise<void> = Promise.resolve();
  #lastTrouble = "";

  constructor(fn: RegisteredFunction, dependencies: FeedDependencies) {
    this.#fn = fn;
    this.#deps = dependencies;
    const { feedPollDelay } = fn.trigger;
    this.#pollMs = typeof feedPollDelay === "number" ? feedPollDelay : DEFAULT_POLL_MS;
  }

  start(): void {
    this.#after(0);
  }

  /** Resolves once the current page is handled and the lease is given back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#turn;
    this.#quietly(() => this.#deps.store.release(this.#fn.name));
  }

  #after(delayMs: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#deps.clock.after(delayMs, () => {
      this.#turn = this.#look();
    });
  }

  async #look(): Promise<void> {
    let handled = 0;
    try {
      handled = await this.#page();
      this.#lastTrouble = "";
    } catch (thrown) {
      this.#reader = undefined;
      this.#trouble(thrown);
    }
    this.#after(handled > 0 ? 0 : this.#pollMs);
  }

  /** Reads and handles one page, if the lease is this process's; how many items it had. */
  async #page(): Promise<number> {
    const { store, clock, open } = this.#deps;
    const { name } = this.#fn;
    if (!store.hold(name, clock.now(), LEASE_MS)) {
      this.#reader = undefined;
      return 0;
    }
    const stopRenewing = this.#renew();
    try {
      this.#reader ??= await open(store.continuation(name));
      const { items, continuation } = await this.#reader.next();
      if (items.length > 0) await this.#run(items);
      // Another process reads on from the page before: this one was too slow, or frozen.
      if (!store.advance(name, continuation)) this.#reader = undefined;
      return items.length;
    } finally {
      stopRenewing();
    }
  }

  #renew(): () => void {
    const { store, clock } = this.#deps;
    let cancel: () => void = () => undefined;
    const later = () => {
      cancel = clock.after(RENEW_MS, () => {
        this.#quietly(() => store.hold(this.#fn.name, clock.now(), LEASE_MS));
        later();
      });
    };
    later();
    return () => cancel();
  }

  async #run(items: readonly unknown[]): Promise<void> {
    try {
      await this.#deps.invoker.invoke(this.#fn, { data: { json: JSON.stringify(items) } });
    } catch (thrown) {
      const why = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      this.#deps.log.write("error", `Function.${this.#fn.name}`, `The function failed: ${why}`);
    }
  }

  #quietly(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      this.#trouble(thrown);
    }
  }

  #trouble(thrown: unknown): void {
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    if (text === this.#lastTrouble) return;
    this.#lastTrouble = text;
    this.#deps.log.write(
      "warning",
      `Host.Triggers.${this.#fn.name}`,
      `The change feed cannot be read: ${text}`,
    );
  }
}

/** Opens the feed the trigger names, with the real SDK. */
export function feedOpener(fn: RegisteredFunction, env: Env): FeedDependencies["open"] {
  const { connection = "CosmosDB", databaseName, containerName, maxItemsPerInvocation } = fn.trigger;
  const target = connectionOf(String(connection), "accountEndpoint", env);
  const path = [databaseName, containerName].map((name) => resolveSettings(String(name), env));
  const start =
    fn.trigger.startFromBeginning === true ? ChangeFeedStartFrom.Beginning() : ChangeFeedStartFrom.Now();
  let client: CosmosClient | undefined;
  return async (continuation) => {
    client ??= await openClient(target);
    const iterator = client
      .database(path[0] ?? "")
      .container(path[1] ?? "")
      .items.getChangeFeedIterator({
        maxItemCount: typeof maxItemsPerInvocation === "number" ? maxItemsPerInvocation : DEFAULT_PAGE_ITEMS,
        changeFeedStartFrom:
          continuation === undefined ? start : ChangeFeedStartFrom.Continuation(continuation),
      });
    return {
      async next() {
        const page = await iterator.readNext();
        return { items: page.result ?? [], continuation: page.continuationToken };
      },
    };
  };
}

async function openClient(target: ReturnType<typeof connectionOf>): Promise<CosmosClient> {
  if (target.kind === "connection_string") return new CosmosClient(target.text);
  const { DefaultAzureCredential } = await import("@azure/identity");
  return new CosmosClient({ endpoint: target.address, aadCredentials: new DefaultAzureCredential() });
}
