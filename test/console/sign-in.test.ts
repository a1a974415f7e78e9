import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { chromiumPath } from "../../tools/screenshots/chromium.ts";
import { Stack } from "../end-to-end/stack.ts";
import { AUDIENCE, LocalIssuer } from "../security/local-issuer.ts";
import { signedIn } from "./signed-in.ts";

const CLIENT = "11111111-1111-4111-8111-111111111111";

describe.runIf(chromiumPath !== undefined)("signing in with Entra", { tags: ["long"] }, () => {
  const folder = mkdtempSync(path.join(tmpdir(), "switchyard-sign-in-"));
  const issuer = new LocalIssuer();
  let asked: URLSearchParams | undefined;
  let refuses = false;

  /** The issuer's page, which lets everybody in, and its token endpoint, which wants PKCE. */
  issuer.page = (request, response) => {
    const url = new URL(request.url ?? "", "http://issuer");
    if (url.pathname.endsWith("/authorize")) {
      asked = url.searchParams;
      const back = new URL(asked.get("redirect_uri") ?? "");
      back.searchParams.set("state", asked.get("state") ?? "");
      if (refuses) back.searchParams.set("error_description", "AADSTS65004: declined");
      else back.searchParams.set("code", "the-code");
      response.writeHead(302, { location: back.href }).end();
      return true;
    }
    if (!url.pathname.endsWith("/token")) return false;
    let text = "";
    request.on("data", (chunk) => {
      text += chunk;
    });
    request.on("end", async () => {
      const sent = new URLSearchParams(text);
      const challenge = createHash("sha256")
        .update(sent.get("code_verifier") ?? "")
        .digest("base64url");
      const isRight = sent.get("code") === "the-code" && challenge === asked?.get("code_challenge");
      const claims = { roles: ["Switchyard.Operator"], scp: "Console" };
      const body = isRight
        ? { access_token: await issuer.token(CLIENT, { claims }) }
        : { error_description: "PKCE" };
      const headers = { "content-type": "application/json", "access-control-allow-origin": "*" };
      response.writeHead(isRight ? 200 : 400, headers).end(JSON.stringify(body));
    });
    return true;
  };
  const at = signedIn(async () => {
    await issuer.start();
    const tenants = path.join(folder, "tenants.json");
    const roles = { entra_roles: ["Switchyard.Operator"], entra_scopes: ["Console"] };
    writeFileSync(tenants, JSON.stringify({ tenants: [{ id: "a" }], operators: [{ id: "ops", ...roles }] }));
    return new Stack({
      ...{ AUTH_ISSUER: issuer.url, AUTH_AUDIENCE: AUDIENCE, CONSOLE_CLIENT_ID: CLIENT },
      TENANTS_FILE: tenants,
    });
  });
  afterAll(async () => {
    await issuer.stop();
    rmSync(folder, { recursive: true });
  });

  it("goes to the issuer and back to the same place, with nothing of it in the URL", async () => {
    const { console, page } = await at.open();
    await console.goTo("jobs?status=failed");
    await page.getByRole("button", { name: "Sign in with Microsoft Entra" }).click();
    await page.getByText("Operator").filter({ visible: true }).first().waitFor();
    await page.getByText("No job is like that.").filter({ visible: true }).first().waitFor();
    expect(page.url()).toBe(`${at.stack.url}/console/jobs?status=failed`);
    expect(asked?.get("scope")).toBe(`${AUDIENCE}/.default`);
    await console.mustBeSound();
  });

  it("says what the issuer says, and takes no answer that it did not ask for", async () => {
    const { console, page } = await at.open();
    refuses = true;
    await page.getByRole("button", { name: "Sign in with Microsoft Entra" }).click();
    await page.getByText("AADSTS65004: declined").filter({ visible: true }).first().waitFor();
    refuses = false;
    await page.evaluate(`sessionStorage.setItem("switchyard.sign-in", '{"state": "mine", "verifier": "x"}')`);
    await console.goTo("?code=the-code&state=theirs");
    await page.getByText("This sign-in was not begun here").filter({ visible: true }).first().waitFor();
    await console.mustBeSound();
  });
});
