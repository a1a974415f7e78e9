import type { ContainerStore } from "./container-store.ts";

/** The service's own words: 10 GB in KB, and no limit on the number of items. */
const QUOTA =
  "functions=25;storedProcedures=100;triggers=25;documentSize=10240;documentsSize=10485760;documentsCount=-1;collectionSize=10485760;";
const KB = 1024;

/** What a container holds, for a read that asks for it (`populateQuotaInfo`). Indexes are always up to date here. */
export function quotaHeaders(container: ContainerStore): Record<string, string> {
  const { items, bytes } = container.measure();
  const size = Math.ceil(bytes / KB);
  return {
    "x-ms-documentdb-collection-index-transformation-progress": "100",
    "x-ms-resource-quota": QUOTA,
    "x-ms-resource-usage": `functions=0;storedProcedures=0;triggers=0;documentSize=0;documentsSize=${size};documentsCount=${items};collectionSize=${size};`,
  };
}
