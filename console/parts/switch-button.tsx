import { useState } from "preact/hooks";
import { useAction, useApi } from "../live.ts";
import { pathOf } from "../rows/controls.ts";
import { Asked, Choice, Reason } from "./form.tsx";

interface SwitchProps {
  readonly kind: "provider" | "deployment" | "route";
  readonly name: string;
  readonly isOn: boolean;
  readonly onDone: () => void;
}

/** Switches calls of something off, or on again, with a reason for the audit trail. */
export function SwitchButton({ kind, name, isOn, onDone }: SwitchProps) {
  const api = useApi();
  const [state, setState] = useState("off");
  const [reason, setReason] = useState("");
  const action = useAction(async () => {
    const body = { state: isOn ? state : "on", ...(reason === "" ? {} : { reason }) };
    await api.send("PUT", pathOf(`switches/${kind}`, name), body);
    setReason("");
    onDone();
  });
  return (
    <Asked
      label={isOn ? "Switch off …" : "Switch on …"}
      question={`Switch ${name} ${isOn ? "off" : "on"}?`}
      submit={isOn ? "Switch it off" : "Switch it on"}
      action={action}
    >
      {isOn && (
        <>
          <Choice label="How" value={state} onValue={setState} options={["off", "drained"]} />
          <p class="quiet">
            Off: running calls are aborted. Drained: they may end. New ones do not begin; jobs go to another
            target, or wait.
          </p>
        </>
      )}
      <Reason value={reason} onValue={setReason} />
    </Asked>
  );
}
