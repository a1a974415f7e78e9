import type { Screen } from "./screen.ts";
import { JobsScreen } from "./screens/jobs.tsx";
import type { Session } from "./session.ts";

/** Every screen, in the order of the navigation. The first that a visitor may see is where they begin. */
export const SCREENS: readonly Screen[] = [
  { path: "jobs", title: "Jobs", who: "both", isListed: true, Content: JobsScreen },
];

export function screensFor({ kind }: Pick<Session, "kind">): readonly Screen[] {
  return SCREENS.filter(({ who }) => who === "both" || who === kind);
}
