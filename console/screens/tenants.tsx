import { useAction, useApi, useLive } from "../live.ts";
import { goTo } from "../location.ts";
import { Asked } from "../parts/form.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Facts, Table } from "../parts/table.tsx";
import { TenantForm } from "../parts/tenant-form.tsx";
import { TenantKeys } from "../parts/tenant-keys.tsx";
import { When, Word } from "../parts/text.tsx";
import type { List } from "../resources.ts";
import { prettyJson } from "../rows/answer-text.ts";
import { linkTo } from "../rows/location.ts";
import { budgetWords, draftOf, type Tenant } from "../rows/tenants.ts";
import { count } from "../rows/words.ts";
import type { ScreenProps } from "../screen.ts";

const PATH = "/api/ops/tenants";
const linkOf = (id: string) => linkTo(`tenants/${encodeURIComponent(id)}`);
const fromWhere = ({ source }: Pick<Tenant, "source">) =>
  source === "file" ? "the tenants file" : "an operator";

/** Who may use the service. */
export function TenantsScreen() {
  const live = useLive<List<Tenant>>(PATH);
  return (
    <>
      <Loaded live={live} isEmpty={({ data }) => data.length === 0} empty="There are no tenants yet.">
        {({ data }) => (
          <Table
            caption="Tenants"
            rows={data}
            keyOf={({ id }) => id}
            columns={[
              {
                name: "Tenant",
                cell: ({ id }) => (
                  <a href={linkOf(id)}>
                    <Word text={id} />
                  </a>
                ),
              },
              { name: "Comes from", cell: fromWhere },
              {
                name: "Keys",
                isNumber: true,
                cell: ({ key_count, key_sha256 }) => count(key_count + key_sha256.length),
              },
              { name: "Weight", isNumber: true, cell: ({ weight }) => count(weight) },
              { name: "Models", cell: ({ allow_models }) => <Word text={allow_models.join(", ")} /> },
              { name: "Budget", cell: budgetWords },
              { name: "Set", cell: ({ since }) => <When at={since} /> },
            ]}
          />
        )}
      </Loaded>
      <section aria-labelledby="make">
        <h2 id="make">Make a tenant</h2>
        <TenantForm
          taken={live.value?.data.map(({ id }) => id) ?? []}
          submit="Make the tenant"
          onDone={(id) => goTo(linkOf(id))}
        />
      </section>
    </>
  );
}

/** A tenant: its keys, and all that is set of it. */
export function TenantScreen({ values: { id = "" } }: ScreenProps) {
  const path = `${PATH}/${encodeURIComponent(id)}`;
  const live = useLive<Tenant>(path, 0);
  return (
    <Loaded live={live}>
      {(tenant) => (
        <>
          <Facts
            facts={[
              ["Tenant", <Word text={tenant.id} />],
              ["Comes from", fromWhere(tenant)],
              ["Set", tenant.since && <When at={tenant.since} />],
              ["By", tenant.actor && <Word text={tenant.actor} />],
              ["Because", tenant.reason && <Word text={tenant.reason} />],
              ["Usage", <a href={linkTo("usage", { tenant: tenant.id })}>what it used and what it cost</a>],
              ["Jobs", <a href={linkTo("jobs", { tenant: tenant.id })}>its jobs</a>],
            ]}
          />
          <TenantKeys tenant={tenant} />
          <section aria-labelledby="set">
            <h2 id="set">What is set</h2>
            <TenantForm
              key={prettyJson(tenant)}
              id={tenant.id}
              draft={draftOf(tenant)}
              submit="Set it"
              onDone={live.again}
            />
            {tenant.source === "store" && <TakeBack id={tenant.id} path={path} />}
          </section>
        </>
      )}
    </Loaded>
  );
}

function TakeBack({ id, path }: { readonly id: string; readonly path: string }) {
  const api = useApi();
  const action = useAction(async () => {
    await api.send("DELETE", path);
    goTo(linkTo("tenants"));
  });
  return (
    <p>
      <Asked
        label="Take back …"
        question={`Take back what was set of ${id}? If the tenants file has it, it is as there again; if not, it is gone with its keys.`}
        submit="Take it back"
        action={action}
      />
    </p>
  );
}
