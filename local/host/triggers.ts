import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { systemClock } from "../clock.ts";
import type { Env } from "./app-settings.ts";
import { ChangeFeedTrigger, feedOpener } from "./change-feed-trigger.ts";
import type { RegisteredFunction } from "./core-api.ts";
import { FeedStore } from "./feed-store.ts";
import type { HostConfig } from "./host-json.ts";
import type { HostLog } from "./host-log.ts";
import type { Invoker } from "./invocation.ts";
import { startServiceBusTrigger, type TriggerHandle } from "./service-bus-trigger.ts";
import { feedsFile, timersFile } from "./shared-stores.ts";
import { TimerStore } from "./timer-store.ts";
import { TimerTrigger } from "./timers.ts";

export interface TriggerDependencies {
  readonly config: HostConfig["serviceBus"];
  readonly invoker: Invoker;
  readonly log: HostLog;
  readonly env: Env;
}

/**
 * Starts every trigger but the HTTP ones. What the hosts of a stack share (whose turn a timer is, how far a feed has
 * been read) is in DATA_DIR, as it is in a storage account in the cloud.
 */
export function startTriggers(
  functions: readonly RegisteredFunction[],
  dependencies: TriggerDependencies,
): TriggerHandle {
  const of = (type: string) => functions.filter((fn) => fn.trigger.type.toLowerCase() === type);
  const handles = of("servicebustrigger").map((fn) => startServiceBusTrigger(fn, dependencies));
  const [timers, feeds] = [of("timertrigger"), of("cosmosdbtrigger")];
  if (timers.length + feeds.length > 0) {
    const folder = resolve(dependencies.env.DATA_DIR ?? ".switchyard");
    mkdirSync(folder, { recursive: true });
    if (timers.length > 0) handles.push(startTimers(timers, folder, dependencies));
    if (feeds.length > 0) handles.push(startFeeds(feeds, folder, dependencies));
  }
  const all = async (call: (handle: TriggerHandle) => Promise<void>) => {
    await Promise.all(handles.map(call));
  };
  return {
    stop: () => all((handle) => handle.stop()),
    idle: () => all((handle) => handle.idle()),
    pause: () => all((handle) => handle.pause()),
    resume: () => {
      for (const handle of handles) handle.resume();
    },
    close: () => all((handle) => handle.close()),
  };
}

function startTimers(
  functions: readonly RegisteredFunction[],
  folder: string,
  { invoker, log, env }: TriggerDependencies,
): TriggerHandle {
  const store = new TimerStore(timersFile(folder), randomUUID());
  const timers = functions.map(
    (fn) => new TimerTrigger(fn, { store, invoker, clock: systemClock, log, env }),
  );
  for (const timer of timers) timer.start();
  return {
    async stop() {
      for (const timer of timers) timer.stop();
    },
    // A run under way belongs to the invoker.
    idle: async () => undefined,
    // A timer waits in the process; when that is frozen it does not come due.
    pause: async () => undefined,
    resume: () => undefined,
    close: async () => store.close(),
  };
}

function startFeeds(
  functions: readonly RegisteredFunction[],
  folder: string,
  { invoker, log, env }: TriggerDependencies,
): TriggerHandle {
  const store = new FeedStore(feedsFile(folder), randomUUID());
  const feeds = functions.map(
    (fn) => new ChangeFeedTrigger(fn, { store, invoker, clock: systemClock, log, open: feedOpener(fn, env) }),
  );
  for (const feed of feeds) feed.start();
  let stopped: Promise<unknown> = Promise.resolve();
  return {
    async stop() {
      stopped = Promise.all(feeds.map((feed) => feed.stop()));
    },
    async idle() {
      await stopped;
    },
    // A process that reads a feed is never frozen.
    pause: async () => undefined,
    resume: () => undefined,
    close: async () => store.close(),
  };
}
