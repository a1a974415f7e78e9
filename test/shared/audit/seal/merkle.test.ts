import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EMPTY_ROOT, leafHash, MerkleRoot, nodeHash } from "../../../../shared/audit/seal/merkle.ts";

/** RFC 6962, section 2.1, word for word. */
function byDefinition(leaves: readonly string[]): string {
  const [only] = leaves;
  if (only === undefined) return EMPTY_ROOT;
  if (leaves.length === 1) return only;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(byDefinition(leaves.slice(0, k)), byDefinition(leaves.slice(k)));
}

function rootOf(leaves: readonly string[]): string {
  const root = new MerkleRoot();
  for (const leaf of leaves) root.add(leaf);
  expect(root.leaves).toBe(leaves.length);
  return root.root();
}

describe("a Merkle root", () => {
  it("is that of Certificate Transparency's own test vectors", () => {
    const inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"];
    const last = "606162636465666768696a6b6c6d6e6f";
    const leaves = [...inputs, last].map((hex) => leafHash(Buffer.from(hex, "hex")));
    expect(EMPTY_ROOT).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(leaves[0]).toBe("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    expect(rootOf(leaves.slice(0, 2))).toBe(
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    );
    expect(rootOf(leaves.slice(0, 3))).toBe(
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    );
    expect(rootOf(leaves)).toBe("5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
  });

  it("is that of the definition, whatever the number of leaves", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 70 }), (texts) => {
        const leaves = texts.map((text) => leafHash(text));
        expect(rootOf(leaves)).toBe(byDefinition(leaves));
      }),
    );
  });

  it("changes with every change of a leaf, of their order or of their number", () => {
    const some = fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 40 });
    fc.assert(
      fc.property(some, fc.nat(), fc.constantFrom("edit", "drop", "double", "swap"), (texts, at, how) => {
        const leaves = texts.map((text) => leafHash(text));
        const index = at % leaves.length;
        const changed = leaves.slice();
        if (how === "edit") changed[index] = leafHash(`${texts[index]}!${texts.join("")}`);
        if (how === "drop") changed.splice(index, 1);
        if (how === "double") changed.splice(index, 0, leaves[index] ?? "");
        if (how === "swap") changed.push(...changed.splice(index === leaves.length - 1 ? 0 : index, 1));
        expect(rootOf(changed)).not.toBe(rootOf(leaves));
      }),
    );
  });

  it("tells a node from a leaf", () => {
    const [a, b] = [leafHash("a"), leafHash("b")];
    expect(leafHash(Buffer.from(a + b, "hex"))).not.toBe(nodeHash(a, b));
  });
});
