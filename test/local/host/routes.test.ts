import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RouteNotSupported, RouteTable } from "../../../local/host/routes.ts";
import { fakeFunction } from "./functions.ts";

const table = new RouteTable(
  [
    fakeFunction("list", { route: "jobs", methods: ["GET"] }),
    fakeFunction("submit", { route: "jobs", methods: ["POST"] }),
    fakeFunction("get", { route: "jobs/{id}", methods: ["GET"] }),
    fakeFunction("newest", { route: "jobs/newest", methods: ["GET"] }),
    fakeFunction("cancel", { route: "jobs/{id}/cancel", methods: ["POST"] }),
    fakeFunction("maybe", { route: "maybe/{id?}", methods: ["GET"] }),
    fakeFunction("files", { route: "files/{*path}", methods: ["GET"] }),
    fakeFunction("openapi", { route: "openapi.json", methods: ["GET"] }),
    fakeFunction("timer", { type: "timerTrigger" }),
  ],
  "api",
);

function found(method: string, path: string): { name: string; params: Record<string, string> } | string {
  const match = table.match(method, path);
  return match.kind === "found" ? { name: match.fn.name, params: match.params } : match.kind;
}

describe("the route table", () => {
  it("tells functions of one route apart by method", () => {
    expect(found("GET", "/api/jobs")).toEqual({ name: "list", params: {} });
    expect(found("POST", "/api/jobs")).toEqual({ name: "submit", params: {} });
  });

  it("says which methods a path takes", () => {
    expect(table.match("PATCH", "/api/jobs")).toEqual({
      kind: "method_not_allowed",
      allow: ["GET", "POST"],
    });
    expect(found("HEAD", "/api/jobs/1")).toBe("method_not_allowed");
  });

  it("finds parameters, decoded", () => {
    expect(found("GET", "/api/jobs/job_1")).toEqual({ name: "get", params: { id: "job_1" } });
    expect(found("GET", "/api/jobs/a%20b")).toEqual({ name: "get", params: { id: "a b" } });
    expect(found("POST", "/api/jobs/x/cancel")).toEqual({ name: "cancel", params: { id: "x" } });
  });

  it("never makes two segments of an encoded slash", () => {
    expect(found("GET", "/api/jobs/a%2Fcancel")).toEqual({ name: "get", params: { id: "a%2Fcancel" } });
  });

  it("keeps a broken escape as it is", () => {
    expect(found("GET", "/api/jobs/%zz")).toEqual({ name: "get", params: { id: "%zz" } });
  });

  it("prefers a literal to a parameter, and compares literals without regard to case", () => {
    expect(found("GET", "/api/jobs/newest")).toEqual({ name: "newest", params: {} });
    expect(found("GET", "/API/Jobs/NEWEST")).toEqual({ name: "newest", params: {} });
  });

  it("takes optional and rest parameters", () => {
    expect(found("GET", "/api/maybe")).toEqual({ name: "maybe", params: {} });
    expect(found("GET", "/api/maybe/1")).toEqual({ name: "maybe", params: { id: "1" } });
    expect(found("GET", "/api/files/a/b%20c")).toEqual({ name: "files", params: { path: "a/b c" } });
  });

  it("finds nothing outside the prefix, deeper, or with an empty parameter", () => {
    for (const path of ["/", "/jobs", "/api", "/api/jobs/1/cancel/2", "/api/jobs//cancel", "*"]) {
      expect(found("POST", path), path).toBe("not_found");
    }
  });

  it("takes a path with a slash at its end, and any prefix", () => {
    expect(found("GET", "/api/openapi.json/")).toEqual({ name: "openapi", params: {} });
    const bare = new RouteTable([fakeFunction("x", { methods: ["GET"] })], "");
    expect(bare.match("GET", "/x").kind).toBe("found");
  });

  it("refuses by name what it cannot serve", () => {
    for (const route of ["jobs/{id:int}", "a{b}c", "x/{*rest}/y", "x/{a?}/y"]) {
      expect(() => new RouteTable([fakeFunction("odd", { route })], "api"), route).toThrow(RouteNotSupported);
    }
  });

  it("never throws, whatever the path", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(["found", "not_found", "method_not_allowed"]).toContain(
          table.match("GET", `/api/${text}`).kind,
        );
      }),
      { numRuns: process.env.LONG === undefined ? 300 : 20_000 },
    );
  });
});
