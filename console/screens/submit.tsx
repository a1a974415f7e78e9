import { useDraft } from "../draft.ts";
import { useAction, useApi, useLive } from "../live.ts";
import { goTo } from "../location.ts";
import { Area, Choice, Field, Form } from "../parts/form.tsx";
import { Loaded } from "../parts/loaded.tsx";
import { Copy, HostileText } from "../parts/text.tsx";
import { type Job, type List, type Model, PRIORITIES } from "../resources.ts";
import { linkTo } from "../rows/location.ts";
import { headerFault } from "../rows/problem-words.ts";
import {
  bodyOf,
  curlOf,
  type Draft,
  DraftFault,
  EMPTY_DRAFT,
  envelopeOf,
  sdkOf,
  unservedBy,
} from "../rows/submission.ts";

export function SubmitScreen() {
  const models = useLive<List<Model>>("/api/models", 0);
  return (
    <Loaded
      live={models}
      isEmpty={({ data }) => data.length === 0}
      empty="This tenant may use no model: it is allowed none, or none has a price in its budget's currency. An operator can change that."
    >
      {({ data }) => <SubmitForm models={data} />}
    </Loaded>
  );
}

/** No service allows more. */
const MOST_DEADLINE_SECONDS = 31_536_000;

function SubmitForm({ models }: { readonly models: readonly Model[] }) {
  const api = useApi();
  const [draft, setDraft, forget] = useDraft<Draft>("submit", EMPTY_DRAFT);
  const set = (name: keyof Draft) => (value: string) => setDraft({ ...draft, [name]: value });
  const model = models.find(({ id }) => id === draft.model) ?? models[0];
  const endpoints = model?.endpoints ?? [];
  const endpoint = endpoints.includes(draft.endpoint) ? draft.endpoint : (endpoints[0] ?? draft.endpoint);
  const sent = { ...draft, endpoint, model: model?.id ?? "", idempotencyKey: draft.idempotencyKey.trim() };
  const unserved = model && unservedBy(model);
  const action = useAction(async () => {
    const headers = sent.idempotencyKey === "" ? {} : { "idempotency-key": sent.idempotencyKey };
    const { id } = await api.send<Job>("POST", "/api/jobs", envelopeOf(sent, Date.now()), headers);
    forget();
    goTo(linkTo(`jobs/${id}`));
  });
  return (
    <>
      <Form action={action} submit="Submit">
        <Choice
          label="Model"
          value={sent.model}
          onValue={set("model")}
          options={models.map(({ id }) => id)}
        />
        {unserved && <p class="stale">{unserved}</p>}
        <Choice label="Endpoint" value={endpoint} onValue={set("endpoint")} options={endpoints} />
        <Choice
          label="Write"
          value={draft.isJson ? "the body as JSON" : "a prompt"}
          onValue={(value) => setDraft({ ...draft, isJson: value !== "a prompt" })}
          options={["a prompt", "the body as JSON"]}
        />
        {draft.isJson ? (
          <Area label="Body, without its model" value={draft.json} onValue={set("json")} rows={10} isCode />
        ) : (
          <>
            {endpoint !== "/v1/embeddings" && (
              <Area label="Instructions (optional)" value={draft.system} onValue={set("system")} rows={2} />
            )}
            <Area label="Prompt" value={draft.prompt} onValue={set("prompt")} isRequired />
          </>
        )}
        <Choice label="Priority" value={draft.priority} onValue={set("priority")} options={PRIORITIES} />
        <Field
          label="Deadline, seconds from now"
          type="number"
          value={draft.deadlineSeconds}
          onValue={set("deadlineSeconds")}
          min={1}
          max={MOST_DEADLINE_SECONDS}
          hint="Empty: the service's own"
        />
        <Field
          label="At most it may cost"
          value={draft.maxCost}
          onValue={set("maxCost")}
          hint="2.50, say; the longest answer must fit in"
        />
        {!draft.isJson && endpoint !== "/v1/embeddings" && (
          <Field
            label="Answer at most, tokens"
            type="number"
            min={1}
            value={draft.maxTokens}
            onValue={set("maxTokens")}
            hint="Empty: as long as the model allows"
          />
        )}
        <Field
          label="Idempotency key"
          value={draft.idempotencyKey}
          onValue={set("idempotencyKey")}
          hint="The same key gives the same job"
          maxLength={255}
          fault={headerFault(draft.idempotencyKey)}
        />
        <Area
          label="Metadata, “name: value”, one a line"
          value={draft.metadata}
          onValue={set("metadata")}
          rows={2}
        />
      </Form>
      <Snippets draft={sent} />
    </>
  );
}

/** The same submit in words that a program says. */
function Snippets({ draft }: { readonly draft: Draft }) {
  let texts: { readonly curl: string; readonly sdk: string };
  try {
    const envelope = envelopeOf(draft, Date.now());
    texts = {
      curl: curlOf(location.origin, envelope, draft.idempotencyKey),
      sdk: sdkOf(location.origin, draft, { model: draft.model, ...bodyOf(draft) }),
    };
  } catch (thrown) {
    if (!(thrown instanceof DraftFault)) throw thrown;
    return <p class="stale">{thrown.message}</p>;
  }
  return (
    <>
      <h2>The same by curl</h2>
      <HostileText text={texts.curl} label="The same by curl" />
      <Copy text={texts.curl} label="Copy the curl line" />
      <h2>The same by the OpenAI SDK</h2>
      <HostileText text={texts.sdk} label="The same by the OpenAI SDK" />
      <Copy text={texts.sdk} label="Copy the SDK lines" />
    </>
  );
}
