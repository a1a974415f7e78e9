import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Api } from "./api.ts";
import { ApiContext } from "./live.ts";
import { goTo, usePlace } from "./location.ts";
import { linkTo, matchPath, type Place, ROOT } from "./rows/location.ts";
import type { Screen } from "./screen.ts";
import { screensFor } from "./screens.ts";
import { type Session, savedSession, saveSession } from "./session.ts";
import { canHash, sha256Hex } from "./sha256.ts";
import { SignIn } from "./sign-in.tsx";

/** The whole page: sign-in, or navigation and the screen of the place. */
export function App() {
  const [session, setSession] = useState<Session | undefined>(savedSession);
  const [isRefused, setIsRefused] = useState(false);
  const [hasEntered, setHasEntered] = useState(false);
  const enter = (entered: Session) => {
    saveSession(entered);
    setIsRefused(false);
    setHasEntered(true);
    setSession(entered);
  };
  const leave = useCallback((refused: boolean) => {
    saveSession(undefined);
    // Who signs out leaves no draft either; who is refused goes on with another key.
    if (!refused) sessionStorage.clear();
    setIsRefused(refused);
    setSession(undefined);
  }, []);
  const api = useMemo(
    () => (session === undefined ? undefined : new Api(session.credential, () => leave(true))),
    [session, leave],
  );
  if (session === undefined || api === undefined) return <SignIn onSession={enter} isRefused={isRefused} />;
  return (
    <ApiContext.Provider value={api}>
      <SignedIn session={session} hasEntered={hasEntered} onLeave={() => leave(false)} />
    </ApiContext.Provider>
  );
}

interface SignedInProps {
  readonly session: Session;
  /** Whether the page showed something else before. */
  readonly hasEntered: boolean;
  readonly onLeave: () => void;
}

function SignedIn({ session, hasEntered, onLeave }: SignedInProps) {
  const place = usePlace();
  const screens = screensFor(session);
  const found = screenAt(screens, place);
  const heading = useRef<HTMLHeadingElement>(null);
  const isLoading = useRef(!hasEntered);
  const title = found?.screen.title ?? "Not found";

  // Who hears the page is told that it is another one; where it was loaded, the browser does that.
  useEffect(() => {
    document.title = `${title} · Switchyard`;
    if (isLoading.current) isLoading.current = false;
    else heading.current?.focus();
  }, [place.path]);
  useEffect(() => {
    if (place.path === "" && screens[0] !== undefined) goTo(linkTo(screens[0].path), true);
  }, [place.path, screens]);

  return (
    <div class="page">
      <a class="skip" href="#content">
        To the content
      </a>
      <header>
        <a class="brand" href={ROOT}>
          Switchyard
        </a>
        <span class="quiet">
          {session.kind === "operator" ? "Operator" : "Tenant"} <KeyMark credential={session.credential} />
        </span>
        <button type="button" class="plain" onClick={onLeave}>
          Sign out
        </button>
      </header>
      <nav aria-label="Screens">
        <ul>
          {screens
            .filter(({ isListed }) => isListed)
            .map(({ path, title: name }) => (
              <li key={path}>
                <a href={linkTo(path)} aria-current={isAt(place, path) ? "page" : undefined}>
                  {name}
                </a>
              </li>
            ))}
        </ul>
      </nav>
      <main id="content">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {found === undefined ? (
          <p class="empty">There is no such page, or not for this key.</p>
        ) : (
          <found.screen.Content key={place.path} place={place} values={found.values} session={session} />
        )}
      </main>
    </div>
  );
}

/** What histories call the key, to tell one from another; the key itself cannot be found by it. */
function KeyMark({ credential }: { readonly credential: string }) {
  const [mark, setMark] = useState("");
  useEffect(() => {
    const MARK_CHARS = 8;
    // A token is told there by its application.
    const isToken = credential.split(".").length === 3;
    if (!isToken && canHash())
      sha256Hex(credential).then((hash) => setMark(`key:${hash.slice(0, MARK_CHARS)}`));
  }, [credential]);
  return <code>{mark}</code>;
}

const isAt = (place: Place, path: string) => place.path === path || place.path.startsWith(`${path}/`);

function screenAt(screens: readonly Screen[], place: Place) {
  for (const screen of screens) {
    const values = matchPath(screen.path, place.path);
    if (values !== undefined) return { screen, values };
  }
  return undefined;
}
