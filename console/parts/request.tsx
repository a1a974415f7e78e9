import { ApiProblem } from "../api.ts";
import { useLive } from "../live.ts";
import { prettyJson, promptTexts } from "../rows/answer-text.ts";
import { Loaded } from "./loaded.tsx";
import { HostileText, Word } from "./text.tsx";

/** What a job was asked, as long as it is kept. @param path of the request */
export function Request({ path }: { readonly path: string }) {
  const live = useLive<unknown>(path, 0);
  const isGone = live.problem instanceof ApiProblem && live.problem.code === "request_gone";
  return (
    <section aria-labelledby="request">
      <h2 id="request">Request</h2>
      {isGone ? (
        <p class="quiet">{live.problem?.message}</p>
      ) : (
        <Loaded live={live}>
          {(body) => (
            <>
              {promptTexts(body).map(({ role, text }, at) => (
                <div key={at}>
                  <strong>
                    <Word text={role} />
                  </strong>
                  <HostileText text={text} label={`What ${role} says`} />
                </div>
              ))}
              <details open={promptTexts(body).length === 0}>
                <summary>As JSON</summary>
                <HostileText text={prettyJson(body)} label="The request as JSON" />
              </details>
            </>
          )}
        </Loaded>
      )}
    </section>
  );
}
