interface Catalogue {
  readonly deployments?: readonly { readonly name: string; readonly simulated?: boolean }[];
  readonly routes?: readonly { readonly targets: readonly { readonly deployment: string }[] }[];
}

/**
 * The catalogue without deployments that are not simulated, and without routes that lead to them: the demo must not
 * spend anybody's money.
 * @throws Error when nothing is left
 */
export function simulatedOnly(catalogue: Catalogue): Catalogue {
  const deployments = (catalogue.deployments ?? []).filter((deployment) => deployment.simulated === true);
  if (deployments.length === 0)
    throw new Error("models.json has no simulated deployment for the demo to run on.");
  const names = new Set(deployments.map((deployment) => deployment.name));
  const routes = (catalogue.routes ?? []).filter((route) =>
    route.targets.every((target) => names.has(target.deployment)),
  );
  return { ...catalogue, deployments, routes };
}

type Values = Readonly<Record<string, string | undefined>>;

/** Settings in local.settings.json that name accounts of the user's own, which no environment can take back. */
export function accountsOfOnesOwn(values: Values, sample: Values): string[] {
  return Object.keys(values).filter(
    (name) =>
      /^(SERVICEBUS|COSMOS)(__|_CONFIG$|$)/.test(name) && values[name] && values[name] !== sample[name],
  );
}
