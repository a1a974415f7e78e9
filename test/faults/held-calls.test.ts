import canonicalize from "canonicalize";
import { expect, it } from "vitest";
import { sha256Hex } from "../../shared/sha256.ts";
import type { Evidence, HeldCall } from "./evidence.ts";
import { checkHeld } from "./held-calls.ts";

const body = { model: "gpt-sim", messages: [{ role: "user", content: "note one" }] };
const job = (job_id: string, of: object = body) => ({
  job: { job_id, created_at_ms: 1_000, envelope_sha256: sha256Hex(canonicalize(of) ?? "") },
  storedAt: [1],
});
const calls = (...ids: string[]) => ids.map((id) => ({ job: id }));
const call = (...atMs: number[]): HeldCall => ({
  ...{ body, as: "whole", isAnswered: true },
  tries: atMs.map((at, n) => ({ asked: 10 * n, answered: 10 * n + 5, atMs: at, jobId: null })),
});

function found(change: object): string[] {
  const evidence = { held: [call(0, 2_000)], stored: [job("a")], calls: calls("a"), stale: [], ...change };
  const promises: string[] = [];
  checkHeld(evidence as unknown as Evidence, (promise) => promises.push(promise));
  return promises;
}

it("knows that a call and its automatic retries make one job that is paid for", () => {
  expect(found({})).toEqual([]);
  const twice = { stored: [job("a"), job("b")], calls: calls("a", "b") };
  expect(found(twice)).toEqual(["a_retry_joins"]);
  // One that was never called costs nothing, and another's is another's.
  expect(found({ ...twice, calls: calls("b") })).toEqual([]);
  expect(found({ ...twice, stored: [job("a"), job("b", { ...body, n: 2 })] })).toEqual([]);
});

it("asks nothing of a retry that comes too late, or while replicas lag", () => {
  const twice = { stored: [job("a"), job("b")], calls: calls("a", "b") };
  expect(found({ ...twice, held: [call(0, 31_000)] })).toEqual([]);
  expect(found({ ...twice, stale: [{ from: 12, to: 20 }] })).toEqual([]);
  expect(found({ ...twice, stale: [{ from: 16, to: 20 }] })).toEqual(["a_retry_joins"]);
});
