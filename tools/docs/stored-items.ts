import path from "node:path";
import { ITEMS, type ItemKind } from "../../shared/azure/cosmos/items.ts";

export const STORED_ITEMS_FILE = path.resolve(import.meta.dirname, "../../docs/stored-items.md");

/** docs/stored-items.md, from the catalogue of kinds. */
export function storedItems(): string {
  const row = ({ container, kind, id, partition, foundBy, until, holds }: ItemKind) => {
    const found = foundBy.length === 0 ? "its id" : foundBy.map((each) => `\`${each.slice(1)}\``).join(", ");
    return `| ${[`\`${container}\``, `\`${kind}\``, id, partition, found, until, holds].join(" | ")} |`;
  };
  return `# Stored items
Every kind of item in database \`switchyard\`. \`npm run docs\` writes this page from \`shared/azure/cosmos/items.ts\`; [how to add a kind](adding.md#a-stored-kind).

The partition key of \`jobs\` is \`/tenant_id\`, \`/job_id\`; that of \`control\` is \`/scope\`. Every item has \`id\`, \`v\` (the version of its format) and \`kind\`. «Found by» names the indexed fields that queries search; every query names the kind as well.

| container | kind | id | partition | found by | lives until | holds |
|---|---|---|---|---|---|---|
${Object.values(ITEMS).map(row).join("\n")}
`;
}
