import { expect, it } from "vitest";
import { azureConnection, notRun } from "./targets.ts";

it("says which suites are not run against real Azure, and which setting is missing", () => {
  expect(notRun({})).toEqual([
    "Not run: the Service Bus contract suite against real Azure (AZURE_SERVICEBUS is not set).",
    "Not run: the Cosmos DB contract suite against real Azure (AZURE_COSMOS is not set).",
  ]);
  expect(notRun({ AZURE_SERVICEBUS: "Endpoint=sb://x", AZURE_COSMOS: "" })).toHaveLength(1);
  expect(azureConnection("Service Bus", { AZURE_SERVICEBUS: "Endpoint=sb://x" })).toBe("Endpoint=sb://x");
});
