import fc from "fast-check";
import { expect, it } from "vitest";
import { chainFaults, faultInChain } from "../../../examples/demo/audit-chain.ts";
import { outcome, trail } from "./outcomes.ts";

const audit = () => [...outcome().audit];

it("holds for a trail as the service writes it", () => {
  expect(faultInChain(audit())).toBeUndefined();
  expect(chainFaults(audit())).toEqual([undefined, undefined, undefined]);
});

it("does not hold without records, or without one of them", () => {
  expect(faultInChain([])).toBe("there are no records");
  expect(faultInChain(audit().slice(1))).toBe("record 1 is missing");
  const [first, , third] = audit();
  if (first === undefined || third === undefined) throw new Error("no records");
  expect(faultInChain([first, { ...third, seq: 2 }])).toBe("record 2 does not follow the one before it");
});

it("finds any field that was changed", () => {
  const records = audit();
  const fields = Object.keys(records[0] ?? {});
  fc.assert(
    fc.property(fc.nat(2), fc.constantFrom(...fields), (at, field) => {
      const edited = records.map((record, index) =>
        index === at ? { ...record, [field]: `${record[field as keyof typeof record]}x` } : record,
      );
      expect(faultInChain(edited)).toBeDefined();
    }),
    { numRuns: 60 },
  );
});

it("covers fields that a later version adds", () => {
  const [record] = trail({ event: "accepted", actor: "a" });
  if (record === undefined) throw new Error("no record");
  const added: typeof record & { note?: string } = { ...record, note: "new" };
  expect(faultInChain([added])).toBe("record 1 was changed: its content does not give its hash");
});
