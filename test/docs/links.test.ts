import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
const pages = execFileSync("git", ["ls-files", "*.md"], { cwd: root, encoding: "utf8" }).trim().split("\n");
const textOf = (file: string) =>
  readFileSync(path.join(root, file), "utf8").replace(/^```[\s\S]*?^```/gm, "");

/** A heading's name in a link, as GitHub makes it. */
function slugOf(heading: string): string {
  const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1");
  return plain
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");
}

/** Those of a page; of headings that are alike, all but the first are numbered. */
function anchorsOf(file: string): Set<string> {
  const seen = new Map<string, number>();
  const headings = [...textOf(file).matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading = ""]) =>
    slugOf(heading),
  );
  return new Set(
    headings.map((slug) => {
      const times = seen.get(slug) ?? 0;
      seen.set(slug, times + 1);
      return times === 0 ? slug : `${slug}-${times}`;
    }),
  );
}

it("every link of a page to a file or a heading of this project leads there", () => {
  const broken: string[] = [];
  let links = 0;
  for (const page of pages) {
    for (const [, target = ""] of textOf(page)
      .replace(/`[^`\n]*`/g, "")
      .matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      links++;
      const [file = "", anchor] = target.split("#");
      const to = file === "" ? page : path.posix.join(path.posix.dirname(page), file);
      const leads =
        existsSync(path.join(root, to)) &&
        (anchor === undefined || !to.endsWith(".md") || anchorsOf(to).has(anchor));
      if (!leads) broken.push(`${page}: ${target}`);
    }
  }
  expect(links).toBeGreaterThan(100);
  expect(broken).toEqual([]);
});
