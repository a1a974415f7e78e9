import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Problem } from "../../../shared/errors.ts";
import { readJson } from "../../../shared/http/json-text.ts";
import { anyText } from "../any-text.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const read = (text: string) => readJson(bytes(text));

function refusal(sent: string | Uint8Array): { code: string; paths: string[] } {
  try {
    readJson(typeof sent === "string" ? bytes(sent) : sent);
  } catch (thrown) {
    if (thrown instanceof Problem)
      return { code: thrown.code, paths: thrown.faults.map((fault) => fault.path) };
    throw thrown;
  }
  return { code: "accepted", paths: [] };
}

const plain = fc.jsonValue({ maxDepth: 5 });
const isPlain = (value: unknown) => {
  const text = JSON.stringify(value);
  return !text.includes("__proto__") && text.isWellFormed() && !/\\u(0000|d[89a-f])/i.test(text);
};

describe("reading JSON", () => {
  it("gives what JSON.parse gives, and the body's text exactly", () => {
    fc.assert(
      fc.property(
        plain,
        fc.object({ values: [fc.jsonValue()] }),
        fc.constantFrom("", " ", "\n\t"),
        (other, body, space) => {
          fc.pre(isPlain(other) && isPlain(body));
          const inner = JSON.stringify(body, null, space);
          const text = `{"other":${space}${JSON.stringify(other)},${space}"body"${space}:${space}${inner}${space}}`;
          const { value, bodyText } = read(text);
          expect(value).toEqual(JSON.parse(text));
          expect(bodyText).toBe(inner);
        },
      ),
    );
  });

  it("never throws anything but a problem, whatever comes", () => {
    const known = (sent: string | Uint8Array) => {
      expect(refusal(sent).code).toMatch(/^[a-z_]+$/);
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), known));
    fc.assert(fc.property(anyText, known));
  });

  it("knows no body where there is none, or where it is no object", () => {
    expect(read('{"a": {"body": {}}}').bodyText).toBeUndefined();
    expect(read('{"body": [1]}').bodyText).toBeUndefined();
    expect(read('{"body": "x", "z": {"y": 1}}').bodyText).toBeUndefined();
    expect(read('[{"body": {}}]').bodyText).toBeUndefined();
  });

  it("takes 64 levels, and no more", () => {
    const nested = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;
    expect(refusal(nested(64)).code).toBe("accepted");
    expect(refusal(nested(65)).code).toBe("nesting_too_deep");
    expect(refusal("[".repeat(1_000_000)).code).toBe("nesting_too_deep");
    expect(refusal(JSON.stringify({ text: "[".repeat(100) })).code).toBe("accepted");
    expect(refusal(`["\\"", "${"[".repeat(100)}"]`).code).toBe("accepted");
  });

  it("refuses what holds many values before it makes a thing of each, and counts none inside a text", () => {
    const items = (count: number) => `[${Array(count).fill("[]").join(",")}]`;
    expect(refusal(items(20_000)).code).toBe("accepted");
    expect(refusal(items(350_000)).code).toBe("too_many_values");
    expect(refusal(`{${Array.from({ length: 60_000 }, (_, n) => `"${n}":0`).join(",")}}`).code).toBe(
      "too_many_values",
    );
    expect(refusal(JSON.stringify({ text: ",[".repeat(100_000) })).code).toBe("accepted");
  });

  it.each<[string, string, string[]]>([
    ['{"a":1,"a":2}', "invalid_request", ["/a"]],
    ['{"body":{"m":1,"m":2}}', "invalid_request", ["/body/m"]],
    ['{"body":{"x":{"m":1,"m":2}}}', "accepted", []],
    ['{"__proto__":1}', "invalid_request", ["/__proto__"]],
    ['{"a":[{"__proto__":1}]}', "invalid_request", ["/a/0/__proto__"]],
    ['{"a~/b":"\\u0000"}', "invalid_request", ["/a~0~1b"]],
    ['["\\ud800"]', "invalid_request", ["/0"]],
    ['["\\udc00\\ud800"]', "invalid_request", ["/0"]],
    ['["\\ud83d\\ude00"]', "accepted", []],
    ["[1e999]", "invalid_request", ["/0"]],
    ["[-1e999]", "invalid_request", ["/0"]],
    ["[1e308]", "accepted", []],
    ["\ufeff{}", "invalid_json", []],
    ["{'a':1}", "invalid_json", []],
    ["[1,]", "invalid_json", []],
    ["[1] x", "invalid_json", []],
    ["/* no */ {}", "invalid_json", []],
    ["[NaN]", "invalid_json", []],
    ["[01]", "invalid_json", []],
    ["", "invalid_json", []],
  ])("%s is %s", (text, code, paths) => {
    expect(refusal(text)).toEqual({ code, paths });
  });

  it.each([
    ["", "it is empty"],
    [" \n", "it is empty"],
    ["not json", "at character 0"],
    ['{"a":}', "at character 5"],
    ["[1,]", "at character 3"],
    ["[NaN]", "at character 1"],
    ["[1] x", "at character 4"],
    ["[1,", "it ends too early"],
    ['{"a": "b', "it ends too early"],
    ['{"a": tru', "it ends too early"],
    // What follows the first fault may be anything.
    [`{${"]".repeat(40_000)}${"[".repeat(40_000)}`, "at character 1"],
  ])("%.20s: says where it is none", (text, where) => {
    expect(() => readJson(Buffer.from(text), "line")).toThrow(`The line is not valid JSON: ${where}.`);
  });

  it("refuses what is not UTF-8", () => {
    expect(refusal(Uint8Array.of(0x22, 0xff, 0x22)).code).toBe("invalid_json");
    expect(refusal(Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22)).code).toBe("invalid_json");
  });
});
