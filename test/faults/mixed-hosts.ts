import type { Patch } from "./app-copy.ts";

/** How far apart the clocks of two hosts are. */
const APART_MS = 30_000;

/** The number of a host in its stack: each that is started has the next. */
const NUMBER = "Number(process.env.HOST_NUMBER ?? 0)";

/**
 * A copy of the app that differs from host to host, as hosts in a cloud do: of three that start one after the other,
 * one has a clock that is 30 s off (fast or slow, by the seed), and one is of the next version: it writes items and
 * nudges of another `v`, and jobs with a field that the others do not know. No such version has been released; what it
 * writes is what neighbours must bear.
 */
export function mixedHosts(seed: number): readonly Patch[] {
  const offsetMs = seed % 2 === 0 ? APART_MS : -APART_MS;
  return [
    [
      "clock.ts",
      "now: () => Date.now(),",
      `now: () => Date.now() + (${NUMBER} % 3 === 1 ? ${offsetMs} : 0),`,
    ],
    [
      "store.ts",
      "export const STORED_VERSION = 1;",
      `export const STORED_VERSION = ${NUMBER} % 3 === 2 ? 2 : 1;`,
    ],
    [
      "job/intake/accept.ts",
      "others: { v: STORED_VERSION }",
      "others: { v: STORED_VERSION, ...(STORED_VERSION === 2 ? { of_the_next: true } : {}) }",
    ],
  ];
}

/** Instances called after their process, so that one can be killed by name. */
export const NAMED_HOSTS: readonly Patch[] = [
  [
    "settings.ts",
    "return platforms === undefined",
    'return "p" + process.pid; return platforms === undefined',
  ],
];
