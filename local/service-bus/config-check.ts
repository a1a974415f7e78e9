import {
  MAX_DUPLICATE_WINDOW_MS,
  MAX_FORWARD_HOPS,
  MAX_LOCK_DURATION_MS,
  MIN_DUPLICATE_WINDOW_MS,
} from "./limits.ts";
import type { QueueSettings } from "./queue-settings.ts";

/** Letters, digits, `.`, `-`, `_` and `/`, beginning and ending with a letter or digit; 260 characters at most. */
const QUEUE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9._/-]{0,258}[a-zA-Z0-9])?$/;
/** The number of a queue is part of its rows' keys. */
const MAX_QUEUES = 1_000;

/** What is wrong with these queues taken together; empty when nothing is. */
export function checkQueues(queues: readonly QueueSettings[]): string[] {
  const faults: string[] = [];
  if (queues.length > MAX_QUEUES) faults.push(`${queues.length} queues; at most ${MAX_QUEUES} are possible`);
  const byName = new Map<string, QueueSettings>();
  for (const queue of queues) {
    const key = queue.name.toLowerCase();
    if (byName.has(key)) faults.push(`queue "${queue.name}" is declared twice`);
    byName.set(key, queue);
    faults.push(...checkQueue(queue).map((fault) => `queue "${queue.name}": ${fault}`));
  }
  for (const queue of queues) {
    for (const fault of checkForwarding(queue, byName)) faults.push(`queue "${queue.name}": ${fault}`);
  }
  return faults;
}

function checkQueue(queue: QueueSettings): string[] {
  const faults: string[] = [];
  const within = (what: string, value: number, least: number, most: number, unit: string) => {
    if (!(value >= least && value <= most)) faults.push(`${what} must be ${least} to ${most} ${unit}`);
  };
  if (!QUEUE_NAME.test(queue.name) || /\$deadletterqueue/i.test(queue.name)) {
    faults.push("this is no name for a queue");
  }
  within("the lock duration", queue.lockDurationMs, 1, MAX_LOCK_DURATION_MS, "ms");
  within("the maximum delivery count", queue.maxDeliveryCount, 1, 2_000, "deliveries");
  if (!(queue.defaultTtlMs >= 1_000)) faults.push("the time to live must be at least 1 s");
  within("the maximum message size", queue.maxMessageBytes, 1_024, 100 * 1_048_576, "bytes");
  if (queue.requiresDuplicateDetection) {
    within(
      "the duplicate window",
      queue.duplicateWindowMs,
      MIN_DUPLICATE_WINDOW_MS,
      MAX_DUPLICATE_WINDOW_MS,
      "ms",
    );
  }
  if (queue.requiresSession && queue.forwardTo !== undefined) {
    faults.push("a queue with sessions cannot forward");
  }
  return faults;
}

function checkForwarding(queue: QueueSettings, byName: ReadonlyMap<string, QueueSettings>): string[] {
  const faults: string[] = [];
  const dead = queue.forwardDeadLetteredTo?.toLowerCase();
  if (dead !== undefined && !byName.has(dead)) {
    faults.push(`it forwards dead letters to "${queue.forwardDeadLetteredTo}", which is not declared`);
  }
  for (const target of [queue.forwardTo, queue.forwardDeadLetteredTo]) {
    if (target !== undefined && byName.get(target.toLowerCase())?.requiresSession === true) {
      faults.push(`it forwards to "${target}", which has sessions: that is not supported here`);
    }
  }
  if (dead === queue.name.toLowerCase()) faults.push("it forwards dead letters to itself");
  let hops = 0;
  for (let at: QueueSettings | undefined = queue; at?.forwardTo !== undefined; hops++) {
    const next = byName.get(at.forwardTo.toLowerCase());
    if (next === undefined) {
      faults.push(`it forwards to "${at.forwardTo}", which is not declared`);
      break;
    }
    if (hops >= MAX_FORWARD_HOPS) {
      faults.push(`it forwards in a circle, or over more than ${MAX_FORWARD_HOPS} queues`);
      break;
    }
    at = next;
  }
  return faults;
}
