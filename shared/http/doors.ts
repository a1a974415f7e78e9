import { apiDoor } from "./api/routes.ts";
import { consoleDoor } from "./console/routes.ts";
import type { Door } from "./door.ts";
import { openaiDoor } from "./openai/routes.ts";

const DOORS: readonly Door[] = [apiDoor, openaiDoor, consoleDoor];

/** The door that a path belongs to. The native door also answers for paths of no door. */
export function doorOf(pathname: string): Door {
  const isBelow = (prefix: string) => `${pathname}/`.toLowerCase().startsWith(`/${prefix}/`);
  return DOORS.find(({ prefixes }) => prefixes.some(isBelow)) ?? apiDoor;
}
