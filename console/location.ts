import { useEffect, useState } from "preact/hooks";
import { linkTo, type Place, placeOf, ROOT } from "./rows/location.ts";

const MOVED = "console-moved";

/** Goes to a link of the console. @param replaces whether Back leads past where one is now, as for a filter */
export function goTo(href: string, replaces = false): void {
  if (replaces) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  dispatchEvent(new Event(MOVED));
}

export function usePlace(): Place {
  const now = () => placeOf(location.pathname, location.search);
  const [place, setPlace] = useState(now);
  useEffect(() => {
    const moved = () => setPlace(now());
    addEventListener("popstate", moved);
    addEventListener(MOVED, moved);
    document.addEventListener("click", followLink);
    return () => {
      removeEventListener("popstate", moved);
      removeEventListener(MOVED, moved);
      document.removeEventListener("click", followLink);
    };
  }, []);
  return place;
}

/** Links of the console change the place without loading the page again; modified clicks are the browser's. */
function followLink(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest("a");
  const href = link?.getAttribute("href") ?? "";
  if (link === null || link.hasAttribute("download") || link.target !== "") return;
  if (href !== ROOT && !href.startsWith(`${ROOT}/`)) return;
  event.preventDefault();
  goTo(href);
}

/** A filter of the place's query, and how to change it: filters are in the URL, so that a link says what one sees. */
export function useFilter(place: Place, name: string): [string, (value: string) => void] {
  const set = (value: string) => {
    const query = Object.fromEntries(new URLSearchParams(location.search));
    goTo(linkTo(place.path, { ...query, [name]: value }), true);
  };
  return [place.query.get(name) ?? "", set];
}
