import { expect, it } from "vitest";
import { parseSettings } from "../../shared/settings.ts";

it("calls two processes of one instance by two names, so that each hears what the other reports", () => {
  const environment = {
    SERVICEBUS: "Endpoint=sb://x;SharedAccessKey=k",
    COSMOS: "AccountEndpoint=https://x;AccountKey=k",
  };
  let count = 0;
  const nameOf = (platforms: object) => {
    const parsed = parseSettings({ ...environment, ...platforms }, () => `${count++}`.padEnd(8, "0"));
    if ("faults" in parsed) throw new Error(parsed.faults.join());
    return parsed.settings.instance;
  };
  for (const platforms of [
    { WEBSITE_INSTANCE_ID: "0123456789abcdef" },
    { WEBSITE_POD_NAME: "0123456789abcdef" },
    { CONTAINER_NAME: "0123456789abcdef" },
  ]) {
    const names = [nameOf(platforms), nameOf(platforms)];
    expect(new Set(names).size).toBe(2);
    for (const name of names) expect(name).toMatch(/^456789abcdef-\w{4}$/);
  }
});
