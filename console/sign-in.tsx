import { useEffect, useState } from "preact/hooks";
import { Api, ApiProblem } from "./api.ts";
import { beginSignIn, type Entra, finishSignIn, isBack } from "./entra.ts";
import { useAction } from "./live.ts";
import { Field, Form } from "./parts/form.tsx";
import { ProblemBox } from "./parts/loaded.tsx";
import { headerFault } from "./rows/problem-words.ts";
import type { Kind, Session } from "./session.ts";

interface Settings {
  readonly local_keys: readonly string[];
  readonly entra: Entra | null;
}

/** Whose credential it is: tenants have models, and operators are refused there. @throws ApiProblem */
export async function kindOf(credential: string): Promise<Kind> {
  try {
    await new Api(credential).get("/api/models");
    return "tenant";
  } catch (thrown) {
    if (thrown instanceof ApiProblem && thrown.code === "forbidden") return "operator";
    throw thrown;
  }
}

interface SignInProps {
  readonly onSession: (session: Session) => void;
  /** Whether the service has just refused the credential that there was. */
  readonly isRefused: boolean;
}

export function SignIn({ onSession, isRefused }: SignInProps) {
  const [key, setKey] = useState("");
  const [settings, setSettings] = useState<Settings | undefined>(undefined);
  useEffect(() => {
    document.title = "Sign in · Switchyard";
    // Without it the page works as well: it only says which keys there are.
    fetch("/console/settings.json").then(
      async (answer) => setSettings(answer.ok ? ((await answer.json()) as Settings) : undefined),
      () => undefined,
    );
  }, []);
  const action = useAction(async () => {
    const credential = key.trim();
    onSession({ credential, kind: await kindOf(credential) });
  });
  const entra = useAction(async () => {
    if (settings?.entra) await beginSignIn(settings.entra);
  });
  const back = useAction(async () => {
    const credential = settings?.entra && (await finishSignIn(settings.entra));
    if (credential) onSession({ credential, kind: await kindOf(credential) });
  });
  useEffect(() => {
    if (settings?.entra && isBack()) back.run();
  }, [settings]);
  const local = settings?.local_keys ?? [];
  return (
    <main class="sign-in">
      <h1>Switchyard</h1>
      {isRefused && <p class="stale">The service does not take your key any more: sign in again.</p>}
      <Form action={action} submit="Sign in">
        <Field
          label="API key"
          type="password"
          value={key}
          onValue={setKey}
          isRequired
          fault={headerFault(key.trim())}
          hint="A tenant's or an operator's. This tab keeps it until you close it or sign out."
        />
      </Form>
      {settings?.entra && (
        <p>
          <button type="button" disabled={entra.isRunning || back.isRunning} onClick={entra.run}>
            Sign in with Microsoft Entra
          </button>
        </p>
      )}
      {entra.problem && <ProblemBox problem={entra.problem} />}
      {back.problem && <ProblemBox problem={back.problem} />}
      {local.length > 0 && (
        <section aria-labelledby="local-keys">
          <h2 id="local-keys">On this machine</h2>
          <p>These keys work here, and nowhere else:</p>
          <ul class="plain-list">
            {local.map((each) => (
              <li key={each}>
                <button type="button" class="plain" onClick={() => setKey(each)}>
                  <code>{each}</code>
                </button>
              </li>
            ))}
          </ul>
        </section>
      )}
    </main>
  );
}
