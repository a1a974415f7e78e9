import { FaultRuleInvalid } from "./fault.ts";
import { type LimitOrder, readLimitOrders } from "./limit-order.ts";

/** What the settings of the emulators' process say about the model endpoints. */
export interface ModelEndpointSettings {
  /** 1: as slow as the real thing, 0: no delay. */
  readonly latencyScale: number;
  /** What the answers, ids and jitter are drawn from, together with the request. */
  readonly seed: string;
  /** Rate limits instead of the profiles' own. */
  readonly limits: readonly LimitOrder[];
}

export const DEFAULT_SEED = "switchyard";
const MAX_LATENCY_SCALE = 100;

/**
 * MODEL_LATENCY_SCALE (1), MODEL_SEED and MODEL_LIMITS (a limit order as JSON, or a list of them). An empty value
 * counts as absent.
 * @throws RangeError naming the setting
 */
export function modelEndpointSettings(
  env: Readonly<Record<string, string | undefined>>,
): ModelEndpointSettings {
  const text = env.MODEL_LATENCY_SCALE || "1";
  const latencyScale = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || latencyScale > MAX_LATENCY_SCALE) {
    throw new RangeError(`MODEL_LATENCY_SCALE must be a number, 0 to ${MAX_LATENCY_SCALE}; it is "${text}"`);
  }
  return { latencyScale, seed: env.MODEL_SEED || DEFAULT_SEED, limits: limitsOf(env.MODEL_LIMITS) };
}

function limitsOf(text: string | undefined): readonly LimitOrder[] {
  if (!text) return [];
  try {
    return readLimitOrders(text);
  } catch (thrown) {
    if (!(thrown instanceof FaultRuleInvalid)) throw thrown;
    throw new RangeError(`MODEL_LIMITS cannot be read: ${thrown.message}`);
  }
}
