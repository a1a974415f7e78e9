import { z } from "zod";

/** Fields of the contract, each with its meaning. */
export const text = (meaning: string) => z.string().describe(meaning);
export const whole = (meaning: string) => z.int().describe(meaning);
export const flag = (meaning: string) => z.boolean().describe(meaning);
/** Unix time, seconds. */
export const unixTime = (meaning = "Unix time, seconds.") => whole(meaning);

/** The seconds of a time that the service knows in ms. */
export const secondsOf = (ms: number): number => Math.floor(ms / 1000);
