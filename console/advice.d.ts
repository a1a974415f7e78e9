/** What each error code means and what its reader can do: ERRORS of shared/errors.ts, written here by tools/build. */
export const ADVICE: Readonly<Record<string, { readonly title: string; readonly advice: string }>>;
