import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Action } from "../live.ts";
import { ProblemBox } from "./loaded.tsx";

interface TypedProps {
  readonly label: string;
  readonly value: string;
  readonly onValue: (value: string) => void;
  readonly isRequired?: boolean | undefined;
  /** What is wrong with the value: it is said at the field, and keeps the form from being sent. */
  readonly fault?: string | undefined;
}

/** The attributes of what is typed into, with its faults. */
function useTyped({ value, onValue, isRequired, fault }: TypedProps, hint?: string) {
  const id = useId();
  const box = useRef<HTMLInputElement & HTMLTextAreaElement>(null);
  const isBlank = isRequired && value !== "" && value.trim() === "";
  useLayoutEffect(() => box.current?.setCustomValidity(fault ?? (isBlank ? "Fill in this field." : "")));
  const described = [hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean).join(" ");
  return {
    ...{ id, ref: box, value, required: isRequired },
    "aria-invalid": fault !== undefined,
    ...(described !== "" && { "aria-describedby": described }),
    onInput: (event: { currentTarget: { value: string } }) => onValue(event.currentTarget.value),
  };
}

function Fault({ of, fault }: { readonly of: string; readonly fault: string | undefined }) {
  return fault === undefined ? null : (
    <small id={`${of}-fault`} class="fault">
      {fault}
    </small>
  );
}

interface FieldProps extends TypedProps {
  readonly type?: "text" | "search" | "number" | "password" | "date" | "datetime-local";
  readonly hint?: string;
  /** Suggested values. */
  readonly options?: readonly string[];
  readonly maxLength?: number;
  /** Of numbers. */
  readonly min?: number;
  readonly max?: number;
}

export function Field({ type = "text", hint, options, maxLength, min, max, ...typed }: FieldProps) {
  const attributes = useTyped(typed, hint);
  const { id } = attributes;
  return (
    <div class="field">
      <label for={id}>{typed.label}</label>
      <input
        {...attributes}
        // Each type has attributes of its own to the compiler; these are all of them.
        type={type as "text"}
        autocomplete="off"
        spellcheck={false}
        {...{ maxLength, min, max }}
        {...(type === "number" && { step: "any" })}
        {...(options && { list: `${id}-options` })}
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
      <Fault of={id} fault={typed.fault} />
    </div>
  );
}

interface ReasonProps {
  readonly value: string;
  readonly onValue: (value: string) => void;
}

/** Why an operator changes something. */
export function Reason(props: ReasonProps) {
  return <Field label="Reason" {...props} hint="Kept in the audit trail" maxLength={500} />;
}

interface AreaProps extends TypedProps {
  readonly rows?: number;
  readonly isCode?: boolean;
}

export function Area({ rows = 6, isCode, ...typed }: AreaProps) {
  const attributes = useTyped(typed);
  return (
    <div class="field wide">
      <label for={attributes.id}>{typed.label}</label>
      <textarea {...attributes} rows={rows} class={isCode ? "code" : ""} dir="auto" />
      <Fault of={attributes.id} fault={typed.fault} />
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
  /** What values are called that do not speak for themselves. */
  readonly words?: Readonly<Record<string, string>>;
}

export function Choice({ label, value, onValue, options, any, words = {} }: ChoiceProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        {any !== undefined && <option value="">{any}</option>}
        {options.map((each) => (
          <option key={each} value={each}>
            {words[each] ?? each.replaceAll("_", " ")}
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
    <form class="form" onSubmit={onSubmit} onInput={action.forget}>
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
  /** Said beside the button, as why it is disabled. */
  readonly hint?: string | undefined;
}

/** A button for what cannot be taken back lightly: it asks first, in a dialog that may have fields. */
export function Asked({ label, question, submit, action, children, isDisabled, hint }: AskedProps) {
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
      {hint && <small class="quiet">{hint}</small>}
      {isOpen && (
        <dialog ref={dialog} aria-labelledby={id} onClose={close}>
          <form onSubmit={onSubmit} onInput={action.forget}>
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
