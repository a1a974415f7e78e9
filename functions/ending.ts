import { app } from "@azure/functions";

/**
 * Hands over all that this process does once it is told to end. The host tells by its hook, and gives it 5 s; where the
 * platform takes the instance away it sends SIGTERM to this process. Both may come.
 */
export function registerEnding(service: { readonly handOver: () => Promise<void> }): void {
  app.hook.appTerminate(() => service.handOver());
  process.once("SIGTERM", () => void service.handOver().finally(endAsBefore));
}

/** Without a handler of somebody else's, who ends this process by itself, the signal would have ended it. */
function endAsBefore(): void {
  if (process.listenerCount("SIGTERM") === 0) process.kill(process.pid, "SIGTERM");
}
