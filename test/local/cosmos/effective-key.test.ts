import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { effectiveKey, isInRange } from "../../../local/cosmos/effective-key.ts";
import { type KeyPart, keyText } from "../../../local/cosmos/partition-key.ts";

describe("the effective key", () => {
  // As Microsoft.Azure.Cosmos 3.64 computes them.
  it.each<[KeyPart[], string]>([
    [[""], "32E9366E637A71B4E710384B2F4970A0"],
    [["redmond"], "22E342F38A486A088463DFF7838A5963"],
    [[null], "378867E4430E67857ACE5C908374FE16"],
    [[true], "0E711127C5B5A8E4726AC6DD306A3E59"],
    [[false], "2FE1BE91E90A3439635E0E9E37361EF2"],
    [[{}], "11622DAA78F835834610ABE56EFF5CB5"],
    [[0], "155B95BEDAC4B1E9EC1CDC9BB0DDDE58"],
    [[-1.5], "151793206780805FF6E1DCAE6C787B6A"],
    [[1e300], "1234CB21048B20039B22F11DBB13CD7B"],
    [["0123456789012345"], "0BAF3A68CECE0A42746EF61EDD8E77AB"],
    [["01234567890123456789012345678901x"], "3942880260C895BEEED09A3D47A7840A"],
    [["héllo 中文 😀"], "0F8B7177347A621B9CFEA34A49DDBEF8"],
    [["a", "1"], "3A5381E1114EB8D3FCC90795045B49B73C80B1B7310BB39F29CC4EA05BDD461E"],
    [[5, true], "19C08621B135968252FB34B4CF66F8110E711127C5B5A8E4726AC6DD306A3E59"],
  ])("of %j is the .NET SDK's", (key, expected) => {
    expect(effectiveKey(key)).toBe(expected);
  });

  it("of a whole key lies in the range of each of its beginnings, and in no other's", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 2, maxLength: 3 }), fc.string(), (key, other) => {
        const stored = keyText(key);
        const start = effectiveKey(key.slice(0, -1));
        expect(isInRange(stored, start, `${start}FF`)).toBe(true);
        const strange = effectiveKey([other]);
        expect(isInRange(stored, strange, `${strange}FF`)).toBe(other === key[0]);
      }),
    );
  });
});
