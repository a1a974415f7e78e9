import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/** What CHROMIUM names, or Debian's; undefined: there is none. */
export const chromiumPath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"].find(
  (file) => file !== undefined && existsSync(file),
);

export async function launch(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error("There is no Chromium: CHROMIUM names one.");
  // A sandbox needs a user that is not root. Nothing but the console is loaded.
  const isRoot = process.getuid?.() === 0;
  return chromium.launch({
    executablePath: chromiumPath,
    args: isRoot ? ["--no-sandbox", "--disable-dev-shm-usage"] : [],
  });
}
