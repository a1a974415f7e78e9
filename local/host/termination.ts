/** What the cloud's host gives the app's `appTerminate` hooks before it ends the worker. */
export const TERMINATE_GRACE_MS = 5_000;
