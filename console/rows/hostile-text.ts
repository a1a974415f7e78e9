/** Text that others wrote, models above all: whatever is in it, it shows what it is and does nothing. */

/** Control characters (ANSI's escape among them), and those that turn the direction of text round or have no width. */
const UNSEEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Each character that nobody would see is written as what it is: `‹U+202E›`. */
export function visible(text: string): string {
  return text.replace(
    UNSEEN,
    (c) => `‹U+${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}›`,
  );
}

/** As much as is shown at once: a browser takes long to lay out a megabyte of one line. */
export const SHOWN_CHARS = 20_000;

/** The first `chars` characters, never half of one. */
export function beginning(text: string, chars: number): string {
  if (text.length <= chars) return text;
  const end = /[\ud800-\udbff]/.test(text[chars - 1] ?? "") ? chars - 1 : chars;
  return text.slice(0, end);
}
