import type { Evaluate } from "./scope.ts";
import { typeOf } from "./values.ts";

/** `text LIKE pattern ESCAPE mark`: % any text, _ one character, [a-c] one of a set, [^a-c] one of none. */
export function like(of: Evaluate, pattern: Evaluate, escaper: Evaluate | undefined): Evaluate {
  const cache = new Map<string, RegExp>();
  return (scope) => {
    const [text, form, mark] = [of(scope), pattern(scope), escaper?.(scope)];
    if (typeOf(text) !== "string" || typeof form !== "string") return undefined;
    const key = `${form}\0${String(mark)}`;
    const regExp = cache.get(key) ?? likePattern(form, typeof mark === "string" ? mark : undefined);
    cache.set(key, regExp);
    return regExp.test(text as string);
  };
}

const quoted = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function likePattern(pattern: string, escaper: string | undefined): RegExp {
  let source = "";
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] as string;
    const set = char === "[" ? pattern.indexOf("]", at + 1) : -1;
    if (char === escaper && at + 1 < pattern.length) source += quoted(pattern[++at] as string);
    else if (char === "%") source += ".*";
    else if (char === "_") source += ".";
    else if (set > at) {
      source += `[${pattern.slice(at + 1, set).replaceAll("\\", "\\\\")}]`;
      at = set;
    } else source += quoted(char);
  }
  return new RegExp(`^${source}$`, "s");
}
