const given = process.argv.slice(2);
const isLayout = (argument: string) => argument === "--split" || argument.startsWith("--freeze");

/** How `npm start` lays its processes out: of `--split` and `--freeze[=hard]`, what this benchmark was given. */
export const LAYOUT: readonly string[] = given.filter(isLayout);

/** What else it was given. */
export const ARGUMENTS: readonly string[] = given.filter((argument) => !isLayout(argument));

/** Of each group of functions: with one process nothing would be shared between processes. */
export const SPLIT_INSTANCES = 2;
