import type { Speed } from "./profiles.ts";
import type { Random } from "./seeded.ts";

/** A real model's latency spreads this far to both sides of its usual one... */
const JITTER = 0.25;
/** ...and a call in this many meets a slow machine, which takes this many times as long to begin. */
const SLOW_CALL_PROBABILITY = 0.03;
const SLOW_CALL_FACTOR = 4;

/** How long a call takes, ms: until the first token, then token by token. Reasoning tokens take their time as well. */
export function latencyMs(speed: Speed, inputTokens: number, outputTokens: number, random: Random): number {
  const jitter = () => 1 + JITTER * (2 * random() - 1);
  const slow = random() < SLOW_CALL_PROBABILITY ? SLOW_CALL_FACTOR : 1;
  const firstTokenMs =
    speed.firstTokenMs * jitter() * slow + (1000 * inputTokens) / speed.promptTokensPerSecond;
  return firstTokenMs + ((1000 * outputTokens) / speed.outputTokensPerSecond) * jitter();
}
