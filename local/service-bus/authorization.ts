import type { Clock } from "../clock.ts";
import { pathOf } from "./address.ts";
import { answerPutToken, type TokenAnswer } from "./cbs.ts";
import { MAX_TOKENS } from "./limits.ts";

/** What one connection may open: everything once it has shown a key, else what it has unexpired tokens for. */
export class Authorization {
  readonly #clock: Clock;
  readonly #onExpired: () => void;
  readonly #expiries = new Map<string, number>();
  #hasKey = false;
  #cancelAlarm: (() => void) | undefined;

  /** `onExpired` is called when a token has run out: what it allowed is allowed no longer. */
  constructor(clock: Clock, onExpired: () => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  showKey(): void {
    this.#hasKey = true;
  }

  /** A put-token request: a token is good for its audience (a URL) and all that lies below it, until it expires. */
  putToken(properties: Record<string, unknown> | undefined, token: unknown): TokenAnswer {
    const answer = answerPutToken(properties, token, this.#clock.now());
    if (answer.grant === undefined) return answer;
    const path = key(answer.grant.audience);
    if (this.#expiries.size >= MAX_TOKENS && !this.#expiries.has(path)) {
      return { code: 403, description: `A connection has at most ${MAX_TOKENS} tokens.`, grant: undefined };
    }
    this.#expiries.set(path, answer.grant.until);
    this.#watch();
    return answer;
  }

  /** `address`: of a link. */
  allows(address: string): boolean {
    if (this.#hasKey) return true;
    const now = this.#clock.now();
    for (let path = key(address); ; path = path.slice(0, Math.max(path.lastIndexOf("/"), 0))) {
      if ((this.#expiries.get(path) ?? 0) > now) return true;
      if (path === "") return false;
    }
  }

  close(): void {
    this.#cancelAlarm?.();
  }

  #watch(): void {
    this.#cancelAlarm?.();
    if (this.#expiries.size === 0) return;
    const next = Math.min(...this.#expiries.values());
    this.#cancelAlarm = this.#clock.after(next - this.#clock.now(), () => this.#expire());
  }

  #expire(): void {
    const now = this.#clock.now();
    for (const [path, until] of this.#expiries) if (until <= now) this.#expiries.delete(path);
    this.#watch();
    this.#onExpired();
  }
}

/** Names are the same in any case of letters. */
function key(text: string): string {
  return pathOf(text).toLowerCase();
}
