import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Action } from "../live.ts";
import { ProblemBox } from "./loaded.tsx";

interface FieldProps {
  readonly label: string;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly type?: "text" | "search" | "number" | "password" | "date" | "datetime-local";
  readonly hint?: string;
  readonly isRequired?: boolean;
  /** Suggested values. */
  readonly options?: readonly string[];
}

export function Field({ label, value, onValue, type = "text", hint, isRequired, options }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        // Each type has attributes of its own to the compiler; these are all of them.
        type={type as "text"}
        value={value}
        required={isRequired}
        autocomplete="off"
        spellcheck={false}
        {...(options && { list: `${id}-options` })}
        {...(hint && { "aria-describedby": `${id}-hint` })}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      {options && (
        <datalist id={`${id}-options`}>
          {options.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
      {hint && (
        <small id={`${id}-hint`} class="quiet">
          {hint}
        </small>
      )}
    </div>
  );
}

interface AreaProps {
  readonly label: string;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly rows?: number;
  readonly isCode?: boolean;
  readonly fault?: string | undefined;
}

export function Area({ label, value, onValue, rows = 6, isCode, fault }: AreaProps) {
  const id = useId();
  return (
    <div class="field wide">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        value={value}
        class={isCode ? "code" : ""}
        dir="auto"
        aria-invalid={fault !== undefined}
        aria-describedby={fault && `${id}-fault`}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      {fault && (
        <small id={`${id}-fault`} class="fault">
          {fault}
        </small>
      )}
    </div>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly options: readonly string[];
  /** What the empty value is called; absent: there is none. */
  readonly any?: string;
}

export function Choice({ label, value, onValue, options, any }: ChoiceProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        {any !== undefined && <option value="">{any}</option>}
        {options.map((each) => (
          <option key={each} value={each}>
            {each.replaceAll("_", " ")}
          </option>
        ))}
      </select>
    </div>
  );
}

interface FormProps {
  readonly action: Action;
  readonly submit: string;
  readonly children: ComponentChildren;
  readonly isDisabled?: boolean;
}

/** A form whose one button runs an action; why that did not work is said below it. */
export function Form({ action, submit, children, isDisabled = false }: FormProps) {
  const onSubmit = (event: Event) => {
    event.preventDefault();
    action.run();
  };
  return (
    <form class="form" onSubmit={onSubmit}>
      <div class="fields">{children}</div>
      <button type="submit" disabled={action.isRunning || isDisabled}>
        {action.isRunning ? "Working …" : submit}
      </button>
      {action.problem && <ProblemBox problem={action.problem} />}
    </form>
  );
}

interface AskedProps {
  /** On the button that asks. */
  readonly label: string;
  readonly question: string;
  /** On the button that does it. */
  readonly submit: string;
  readonly action: Action;
  readonly children?: ComponentChildren;
  readonly isDisabled?: boolean;
}

/** A button for what cannot be taken back lightly: it asks first, in a dialog that may have fields. */
export function Asked({ label, question, submit, action, children, isDisabled }: AskedProps) {
  const [isOpen, setIsOpen] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    if (isOpen) dialog.current?.showModal();
  }, [isOpen]);
  const close = () => setIsOpen(false);
  const onSubmit = async (event: Event) => {
    event.preventDefault();
    if (await action.run()) close();
  };
  return (
    <>
      <button type="button" class="small" disabled={isDisabled} onClick={() => setIsOpen(true)}>
        {label}
      </button>
      {isOpen && (
        <dialog ref={dialog} aria-labelledby={id} onClose={close}>
          <form onSubmit={onSubmit}>
            <h2 id={id}>{question}</h2>
            <div class="fields">{children}</div>
            {action.problem && <ProblemBox problem={action.problem} />}
            <div class="buttons">
              <button type="submit" disabled={action.isRunning}>
                {action.isRunning ? "Working …" : submit}
              </button>
              <button type="button" class="plain" onClick={close}>
                Leave it
              </button>
            </div>
          </form>
        </dialog>
      )}
    </>
  );
}
