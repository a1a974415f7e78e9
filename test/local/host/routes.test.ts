import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RouteNotSupported } from "../../../local/host/route-template.ts";
import { RouteTable } from "../../../local/host/routes.ts";
import { fakeFunction } from "./functions.ts";

const of = (name: string, route: string, ...methods: string[]) => fakeFunction(name, { route, methods });

const table = new RouteTable(
  [
    of("list", "jobs", "GET"),
    of("submit", "jobs", "POST"),
    of("get", "jobs/{id}", "GET"),
    of("a-newest", "jobs/newest", "GET"),
    of("z-oldest", "jobs/oldest", "GET", "DELETE"),
    of("cancel", "jobs/{id}/cancel", "POST"),
    of("maybe", "maybe/{id?}", "GET"),
    of("files", "files/{*path}", "GET"),
    of("openapi", "openapi.json", "GET"),
    fakeFunction("timer", { type: "timerTrigger" }),
  ],
  "api",
);

function found(method: string, path: string, routes = table): object | undefined {
  const match = routes.match(method, path);
  return match && { name: match.fn.name, params: match.params };
}

describe("the route table", () => {
  it("tells functions of one route apart by method", () => {
    expect(found("GET", "/api/jobs")).toEqual({ name: "list", params: {} });
    expect(found("POST", "/api/jobs")).toEqual({ name: "submit", params: {} });
    expect(found("PATCH", "/api/jobs")).toBeUndefined();
    expect(found("HEAD", "/api/jobs/1")).toBeUndefined();
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

  it("resolves dots before it looks, escaped ones too", () => {
    expect(found("GET", "/api/x/../jobs/./a")).toEqual({ name: "get", params: { id: "a" } });
    expect(found("GET", "/%2E%2e/api/jobs/%2e/a.b")).toEqual({ name: "get", params: { id: "a.b" } });
    expect(found("GET", "/api/jobs/a/..")).toEqual({ name: "list", params: {} });
    expect(found("GET", "/api/jobs/..a")).toEqual({ name: "get", params: { id: "..a" } });
  });

  it("tries functions by name, not routes by how much they say, and says which are never reached", () => {
    expect(found("GET", "/api/jobs/newest")).toEqual({ name: "a-newest", params: {} });
    expect(found("GET", "/API/Jobs/NEWEST")).toEqual({ name: "a-newest", params: {} });
    expect(found("GET", "/api/jobs/oldest")).toEqual({ name: "get", params: { id: "oldest" } });
    expect(found("DELETE", "/api/jobs/oldest")).toEqual({ name: "z-oldest", params: {} });
    expect(table.unreachable()).toEqual([{ fn: "z-oldest", method: "GET", taker: "get" }]);
    const cases = new RouteTable([of("_a", "{x}", "GET"), of("B", "{y}", "GET"), of("a", "{z}", "GET")], "");
    expect(found("GET", "/1", cases)).toEqual({ name: "a", params: { z: "1" } });
  });

  it("gives all that no other function takes to a catch-all whose name comes last", () => {
    const all = new RouteTable(
      [of("zz-rest", "{*path}", "GET", "POST", "PUT"), of("get", "api/jobs/{id}", "GET")],
      "",
    );
    expect(all.unreachable()).toEqual([]);
    expect(found("GET", "/api/jobs/1", all)).toEqual({ name: "get", params: { id: "1" } });
    for (const path of ["api/jobs", "api/jobs/1/2", "favicon.ico"])
      expect(found("GET", `/${path}`, all)).toEqual({ name: "zz-rest", params: { path } });
    expect(found("PUT", "/api/jobs/1", all)).toEqual({ name: "zz-rest", params: { path: "api/jobs/1" } });
    expect(found("GET", "/", all)).toEqual({ name: "zz-rest", params: {} });
    expect(found("DELETE", "/", all)).toBeUndefined();
  });

  it("says of a catch-all whose name comes first what it takes from others", () => {
    const first = new RouteTable(
      [of("any", "{*path}", "GET"), of("get", "jobs/{id}", "GET", "HEAD"), of("b", "{x?}", "GET")],
      "",
    );
    expect(first.unreachable()).toEqual([
      { fn: "b", method: "GET", taker: "any" },
      { fn: "get", method: "GET", taker: "any" },
    ]);
  });

  it("takes optional and rest parameters", () => {
    expect(found("GET", "/api/maybe")).toEqual({ name: "maybe", params: {} });
    expect(found("GET", "/api/maybe/1")).toEqual({ name: "maybe", params: { id: "1" } });
    expect(found("GET", "/api/files/a/b%20c")).toEqual({ name: "files", params: { path: "a/b c" } });
  });

  it("finds nothing outside the prefix, deeper, or with an empty parameter", () => {
    for (const path of ["/", "/jobs", "/api", "/api/jobs/1/cancel/2", "/api/jobs//cancel", "*"]) {
      expect(found("POST", path), path).toBeUndefined();
    }
  });

  it("takes a path with a slash at its end, any prefix, and a function's name for a route", () => {
    expect(found("GET", "/api/openapi.json/")).toEqual({ name: "openapi", params: {} });
    const bare = new RouteTable([fakeFunction("x", { methods: ["GET"] }), of("y", "", "GET")], "");
    expect(found("GET", "/x", bare)).toEqual({ name: "x", params: {} });
    expect(found("GET", "/y", bare)).toEqual({ name: "y", params: {} });
  });

  it("refuses by name what it cannot serve, and what is the host's own", () => {
    const routes = [
      "jobs/{id:int}",
      "a{b}c",
      "x/{*rest}/y",
      "x/{a?}/y",
      "admin/x",
      "/Runtime",
      "administrators",
    ];
    for (const route of routes) {
      expect(() => new RouteTable([fakeFunction("odd", { route })], "api"), route).toThrow(RouteNotSupported);
    }
  });

  it("never throws, whatever the path, and says no function unreachable that it finds", () => {
    const segment = fc.constantFrom("a", "{x}", "b");
    const template = fc
      .tuple(fc.array(segment, { maxLength: 3 }), fc.constantFrom("", "{*r}", "{o?}"))
      .map(([parts, last]) => [...parts, last].filter((part) => part !== "").join("/") || "a");
    const path = fc.array(fc.constantFrom("a", "b", "c", "..", ""), { maxLength: 4 });
    fc.assert(
      fc.property(fc.array(template, { maxLength: 5 }), path, fc.string(), (templates, parts, text) => {
        const routes = new RouteTable(
          templates.map((route, n) => of(`f${n}`, route, "GET")),
          "",
        );
        routes.match("GET", text);
        const match = routes.match("GET", `/${parts.join("/")}`);
        const never = routes.unreachable().map(({ fn }) => fn);
        if (match !== undefined) expect(never).not.toContain(match.fn.name);
      }),
      { numRuns: process.env.LONG === undefined ? 300 : 20_000 },
    );
  });
});
