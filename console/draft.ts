import { useState } from "preact/hooks";

const nameOf = (of: string) => `switchyard.draft.${of}`;

/** What is being written, kept in this tab until it is sent or its writer signs out. @returns it, how to set it, and how to forget it */
export function useDraft<T extends object>(of: string, empty: T): [T, (draft: T) => void, () => void] {
  const [draft, setDraft] = useState<T>(() => {
    const kept = JSON.parse(sessionStorage.getItem(nameOf(of)) ?? "{}") as Partial<T>;
    return { ...empty, ...kept };
  });
  const set = (next: T) => {
    setDraft(next);
    try {
      sessionStorage.setItem(nameOf(of), JSON.stringify(next));
    } catch {
      // Too long to be kept: it is on the page all the same.
      sessionStorage.removeItem(nameOf(of));
    }
  };
  return [draft, set, () => sessionStorage.removeItem(nameOf(of))];
}
