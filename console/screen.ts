import type { ComponentType } from "preact";
import type { Place } from "./rows/location.ts";
import type { Session } from "./session.ts";

export interface ScreenProps {
  readonly place: Place;
  /** Of the path, by the names in its pattern. */
  readonly values: Readonly<Record<string, string>>;
  readonly session: Session;
}

export interface Screen {
  /** Below /console; `jobs/:id` takes a value. */
  readonly path: string;
  readonly title: string;
  readonly who: "tenant" | "operator" | "both";
  /** Whether it stands in the navigation. */
  readonly isListed: boolean;
  readonly Content: ComponentType<ScreenProps>;
}
