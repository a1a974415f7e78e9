import { expect, it } from "vitest";
import { nearMiss } from "../../shared/near-miss.ts";

it.each([
  ["opneai", ["xai", "openai"], "openai"],
  ["deepsek", ["deepseek"], "deepseek"],
  ["openai", ["openai", "openal"], undefined],
  ["anthropic", ["openai", "xai"], undefined],
  ["gpt-5", ["gpt-4"], undefined],
  ["MAX_ATEMPTS", ["MAX_ATTEMPTS"], "MAX_ATTEMPTS"],
  ["ai", ["xai"], "xai"],
])("%s among %j", (name, known, meant) => {
  expect(nearMiss(name, known)).toBe(meant);
});
