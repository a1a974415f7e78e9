import { type Node, parseTree } from "jsonc-parser";
import type { Dialect } from "../../dialect.ts";
import type { Unsayable } from "../protocol.ts";

/** Members that are not a dialect's to touch: what a request says, and what the service itself sets or refuses. */
const FIXED = new Set(["model", "messages", "input", "stream", "tools"]);

/** What is wrong with a dialect by itself, for the start's list of faults. */
export function dialectFaults(dialect: Dialect): string[] {
  const sources = Object.keys(dialect.rename);
  const named = [...Object.entries(dialect.rename).flat(), ...dialect.refuse, ...Object.keys(dialect.values)];
  return [
    ...[...new Set(named)].filter((name) => FIXED.has(topOf(name))).map((name) => `${name} cannot be mapped`),
    ...sources
      .filter((name) => dialect.refuse.includes(name))
      .map((name) => `${name} is renamed and refused at once`),
    ...Object.entries(dialect.rename)
      .filter(([from, to]) => sources.includes(to) || (topOf(from) !== from && topOf(from) === to))
      .map(([from, to]) => `${from} becomes ${to}, which is itself renamed or holds it`),
  ].map((fault) => `dialect: ${fault}`);
}

/**
 * Why a request cannot be said in a dialect; undefined: it can. A parameter that is null or absent asks for nothing.
 * @param body the parsed JSON object
 */
export function unmappable(dialect: Dialect, body: unknown): Unsayable | undefined {
  for (const name of dialect.refuse)
    if (isSet(valueAt(body, name))) return { why: `refuses ${name}`, param: name };
  for (const [name, values] of Object.entries(dialect.values)) {
    const value = valueAt(body, name);
    if (isSet(value) && (typeof value === "object" || !Object.hasOwn(values, String(value))))
      return { why: `has no such ${name}`, param: name };
  }
  for (const [from, to] of Object.entries(dialect.rename)) {
    if (valueAt(body, from) === undefined) continue;
    if (isTaken(body, from, to)) return { why: `${from} and ${to} are both set`, param: from };
    if (topOf(from) !== from && topOf(from) !== topOf(to) && hasMore(body, topOf(from))) {
      return { why: `${topOf(from)} holds more than ${from}`, param: topOf(from) };
    }
  }
  return undefined;
}

/** One place of a text and what stands there instead. */
interface Edit {
  readonly offset: number;
  readonly length: number;
  readonly text: string;
}

/**
 * The request in a deployment's words: the model's name and the mapped places replaced, every other byte as it was.
 * @param bodyText a JSON object that is not `unmappable`, with one top-level `model`
 */
export function inDialect(bodyText: string, model: string, dialect: Dialect): string {
  const root = parseTree(bodyText);
  const name = root && nodeAt(root, ["model"]);
  if (root === undefined || name === undefined) throw new TypeError("the body has no top-level model");
  const edits = [
    { offset: name.offset, length: name.length, text: JSON.stringify(model) },
    ...parameterEdits(root, bodyText, dialect),
    ...roleEdits(root, dialect),
  ].sort((a, b) => a.offset - b.offset);
  let sent = "";
  let at = 0;
  for (const { offset, length, text } of edits) {
    sent += bodyText.slice(at, offset) + text;
    at = offset + length;
  }
  return sent + bodyText.slice(at);
}

function parameterEdits(root: Node, text: string, dialect: Dialect): Edit[] {
  const names = new Set([...Object.keys(dialect.rename), ...Object.keys(dialect.values)]);
  return [...names].flatMap((from) => {
    const value = nodeAt(root, from.split("."));
    const member = value?.parent;
    if (value === undefined || member === undefined) return [];
    const said = text.slice(value.offset, value.offset + value.length);
    const { [from]: values = {} } = dialect.values;
    const mapped = Object.hasOwn(values, String(value.value)) ? values[String(value.value)] : undefined;
    const sent = mapped === undefined || mapped === value.value ? said : JSON.stringify(mapped);
    const to = dialect.rename[from];
    if (to === undefined) return [{ offset: value.offset, length: value.length, text: sent }];
    return [renamed(member, from, to, value, sent)];
  });
}

/** A new name alone where the place stays; a member that moves into or out of an object is written anew. */
function renamed(member: Node, from: string, to: string, value: Node, sent: string): Edit {
  const [top, inner] = to.split(".");
  const sameObject = topOf(from) !== from && topOf(from) === top && inner !== undefined;
  const head = `${JSON.stringify(sameObject ? inner : top)}:`;
  if (sameObject || (topOf(from) === from && inner === undefined)) {
    return { offset: member.offset, length: value.offset + value.length - member.offset, text: head + sent };
  }
  const whole = topOf(from) === from ? member : (member.parent?.parent ?? member);
  const inside = inner === undefined ? sent : `{${JSON.stringify(inner)}:${sent}}`;
  return { offset: whole.offset, length: whole.length, text: head + inside };
}

function roleEdits(root: Node, dialect: Dialect): Edit[] {
  const roles = dialect.roles as Readonly<Record<string, string | undefined>>;
  if (Object.keys(roles).length === 0) return [];
  return ["messages", "input"].flatMap((name) => {
    const list = nodeAt(root, [name]);
    return (list?.type === "array" ? (list.children ?? []) : []).flatMap((message) => {
      const said = message.type === "object" ? nodeAt(message, ["role"]) : undefined;
      const to = said?.type === "string" ? roles[said.value as string] : undefined;
      return said === undefined || to === undefined
        ? []
        : [{ offset: said.offset, length: said.length, text: JSON.stringify(to) }];
    });
  });
}

/** The value at a path; of members with the same name the last, as every JSON reader takes it. */
function nodeAt(root: Node, path: readonly string[]): Node | undefined {
  let node: Node | undefined = root;
  for (const name of path) {
    const members: Node[] = node?.type === "object" ? (node.children ?? []) : [];
    node = members.findLast((member) => member.children?.[0]?.value === name)?.children?.[1];
  }
  return node;
}

/** Whether the new place is filled already. */
function isTaken(body: unknown, from: string, to: string): boolean {
  if (topOf(to) === to) return valueAt(body, to) !== undefined;
  return topOf(from) === topOf(to) ? valueAt(body, to) !== undefined : valueAt(body, topOf(to)) !== undefined;
}

function hasMore(body: unknown, top: string): boolean {
  const inside = valueAt(body, top);
  return typeof inside === "object" && inside !== null && Object.keys(inside).length > 1;
}

function topOf(name: string): string {
  return name.split(".")[0] ?? name;
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function valueAt(body: unknown, name: string): unknown {
  let value = body;
  for (const part of name.split(".")) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    value = Object.hasOwn(value, part) ? (value as Record<string, unknown>)[part] : undefined;
  }
  return value;
}
