/** A page of resources that have an `id`, as the API lists them. */
export function listOf<T extends { readonly id: string }>(data: readonly T[], hasMore: boolean) {
  return {
    object: "list",
    data,
    first_id: data.at(0)?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore,
  };
}
