import { expect, it } from "vitest";
import { withModelEndpointsPort } from "../../../local/stack/models-file.ts";

it("gives simulated deployments the real port, and leaves every other address as it is", () => {
  const catalogue = {
    deployments: [
      { name: "a", base_url: "http://127.0.0.1:7072/openai/v1" },
      { name: "b", base_url: "http://127.0.0.1:7073/openai/v1" },
      { name: "c", base_url: "https://mine.services.ai.azure.com/openai/v1" },
      { name: "http://127.0.0.1:7072/", base_url: 1 },
    ],
    routes: [],
  };
  const changed = JSON.parse(withModelEndpointsPort(JSON.stringify(catalogue), 9999) ?? "");
  expect(changed).toEqual({
    ...catalogue,
    deployments: [
      { name: "a", base_url: "http://127.0.0.1:9999/openai/v1" },
      ...catalogue.deployments.slice(1),
    ],
  });
});

it("leaves alone what has none, and what is no catalogue", () => {
  expect(withModelEndpointsPort('{"deployments": []}', 1)).toBeUndefined();
  expect(withModelEndpointsPort("{", 1)).toBeUndefined();
});
