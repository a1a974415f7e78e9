import { DEFAULT_MODEL_ENDPOINTS_PORT } from "./settings.ts";

/**
 * The catalogue with the simulated models' real port: every `base_url` below http://127.0.0.1:7072/ is given
 * `port`. Undefined where there is none, or where the text is not a catalogue (the app says what is wrong with it).
 */
export function withModelEndpointsPort(text: string, port: number): string | undefined {
  const from = `http://127.0.0.1:${DEFAULT_MODEL_ENDPOINTS_PORT}/`;
  let changed = false;
  const change = (key: string, value: unknown) => {
    if (key !== "base_url" || typeof value !== "string" || !value.startsWith(from)) return value;
    changed = true;
    return `http://127.0.0.1:${port}/${value.slice(from.length)}`;
  };
  try {
    const catalogue = JSON.parse(text, change);
    return changed ? `${JSON.stringify(catalogue, null, 2)}\n` : undefined;
  } catch {
    return undefined;
  }
}
