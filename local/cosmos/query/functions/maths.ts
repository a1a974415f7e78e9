import { type Entries, type Entry, entry, isWhole, ofNumbers } from "./entry.ts";

const one = (run: (n: number) => number): Entry => ofNumbers(1, 1, run);
const two = (run: (a: number, b: number) => number): Entry => ofNumbers(2, 2, run);

/** INT… functions work on whole numbers of 64 bits; undefined for others and where the result does not fit. */
const whole = (parts: number, run: (a: bigint, b: bigint) => bigint): Entry =>
  entry(parts, parts, ([a, b = 0]) => {
    if (!isWhole(a) || !isWhole(b)) return undefined;
    try {
      const result = Number(BigInt.asIntN(64, run(BigInt(a), BigInt(b))));
      return Number.isSafeInteger(result) ? result : undefined;
    } catch {
      return undefined; // a division by zero, or a shift by a negative number
    }
  });

const roundHalfAway = (n: number) => Math.sign(n) * Math.round(Math.abs(n));

export const MATHS: Entries = {
  ABS: one(Math.abs),
  ACOS: one(Math.acos),
  ASIN: one(Math.asin),
  ATAN: one(Math.atan),
  ATN2: two(Math.atan2),
  CEILING: one(Math.ceil),
  COS: one(Math.cos),
  COT: one((n) => 1 / Math.tan(n)),
  DEGREES: one((n) => (n * 180) / Math.PI),
  EXP: one(Math.exp),
  FLOOR: one(Math.floor),
  LOG: ofNumbers(1, 2, (n, base) => (base === undefined ? Math.log(n) : Math.log(n) / Math.log(base))),
  LOG10: one(Math.log10),
  NUMBERBIN: ofNumbers(1, 2, (n, size = 1) => Math.floor(n / size) * size),
  PI: entry(0, 0, () => Math.PI),
  POWER: two((a, b) => a ** b),
  RADIANS: one((n) => (n * Math.PI) / 180),
  RAND: entry(0, 0, () => Math.random()),
  ROUND: one(roundHalfAway),
  SIGN: one(Math.sign),
  SIN: one(Math.sin),
  SQRT: one(Math.sqrt),
  SQUARE: one((n) => n * n),
  TAN: one(Math.tan),
  TRUNC: one(Math.trunc),
  INTADD: whole(2, (a, b) => a + b),
  INTSUB: whole(2, (a, b) => a - b),
  INTMUL: whole(2, (a, b) => a * b),
  INTDIV: whole(2, (a, b) => a / b),
  INTMOD: whole(2, (a, b) => a % b),
  INTBITAND: whole(2, (a, b) => a & b),
  INTBITOR: whole(2, (a, b) => a | b),
  INTBITXOR: whole(2, (a, b) => a ^ b),
  INTBITNOT: whole(1, (a) => ~a),
  INTBITLEFTSHIFT: whole(2, (a, b) => a << b),
  INTBITRIGHTSHIFT: whole(2, (a, b) => a >> b),
};
