import type { ServiceBusReceivedMessage } from "@azure/service-bus";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { renewLock } from "../../../local/host/lock-renewal.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const LOCK_MS = 10_000;
const message = () =>
  ({ messageId: "m", lockedUntilUtc: new Date(Date.now() + LOCK_MS) }) as ServiceBusReceivedMessage;

describe("a message's lock", () => {
  it("is renewed at half its time, until the function has ended, whatever becomes of its settlement", async () => {
    const renewed: number[] = [];
    const startedAt = Date.now();
    const renewMessageLock = async () => {
      renewed.push(Date.now() - startedAt);
      return new Date(Date.now() + LOCK_MS);
    };
    const stop = renewLock({ renewMessageLock }, message(), 60_000, (thrown) =>
      expect(thrown).toBeUndefined(),
    );
    await vi.advanceTimersByTimeAsync(21_000);
    expect(renewed).toEqual([5_000, 10_000, 15_000, 20_000]);
    stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(renewed).toHaveLength(4);
  });

  it("is renewed no longer than asked, and not at all when that is 0", async () => {
    let renewals = 0;
    const renewMessageLock = async () => {
      renewals++;
      return new Date(Date.now() + LOCK_MS);
    };
    renewLock({ renewMessageLock }, message(), 0, () => undefined);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(renewals).toBe(0);
    renewLock({ renewMessageLock }, message(), 12_000, () => undefined);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(renewals).toBe(2);
  });

  it("that cannot be renewed is let go, and told of once", async () => {
    const told: unknown[] = [];
    const renewMessageLock = () => Promise.reject(new Error("lock lost"));
    renewLock({ renewMessageLock }, message(), 60_000, (thrown) => told.push(thrown));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(told).toHaveLength(1);
  });

  it("of a server whose clock is far behind is not renewed in a rush", async () => {
    let renewals = 0;
    const past = () => new Date(Date.now() - 30_000);
    const renewMessageLock = async () => {
      renewals++;
      return past();
    };
    const late = { ...message(), lockedUntilUtc: past() };
    renewLock({ renewMessageLock }, late, 60_000, () => undefined);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(renewals).toBe(10);
  });
});
