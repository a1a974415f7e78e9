import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus";

/** Looks at a lock no sooner than this: its end is told by another clock. */
const MIN_RENEW_MS = 1_000;
/** A lock is 5 minutes at most, and no timer need be later than half of that. */
const MAX_RENEW_MS = 150_000;

/**
 * Renews the lock of one message until told to stop, for at most `maxMs`. The SDK's own renewal (7.9.5) remembers
 * messages by link and message id: after a link was opened again it no longer finds those it should stop, and a
 * message whose settlement failed stays locked for all of `maxMs`, although no one works on it.
 */
export function renewLock(
  receiver: Pick<ServiceBusReceiver, "renewMessageLock">,
  message: ServiceBusReceivedMessage,
  maxMs: number,
  onError: (thrown: unknown) => void,
): () => void {
  const endsAt = performance.now() + maxMs;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const schedule = (lockedUntil: Date | undefined) => {
    const leftMs = (lockedUntil?.getTime() ?? 0) - Date.now();
    const waitMs = Math.min(Math.max(leftMs / 2, MIN_RENEW_MS), MAX_RENEW_MS);
    if (stopped || performance.now() + waitMs > endsAt) return;
    timer = setTimeout(() => void renew(), waitMs);
    timer.unref();
  };
  const renew = async () => {
    try {
      schedule(await receiver.renewMessageLock(message));
    } catch (thrown) {
      // Lost or unreachable: the message comes again, and the function must bear that anyway.
      if (!stopped) onError(thrown);
    }
  };
  schedule(message.lockedUntilUtc);
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
