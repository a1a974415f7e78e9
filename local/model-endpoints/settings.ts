/** What the settings of the emulators' process say about the model endpoints. */
export interface ModelEndpointSettings {
  /** 1: as slow as the real thing, 0: no delay. */
  readonly latencyScale: number;
  /** What the answers, ids and jitter are drawn from, together with the request. */
  readonly seed: string;
}

export const DEFAULT_SEED = "switchyard";
const MAX_LATENCY_SCALE = 100;

/**
 * MODEL_LATENCY_SCALE (1) and MODEL_SEED. An empty value counts as absent.
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
  return { latencyScale, seed: env.MODEL_SEED || DEFAULT_SEED };
}
