import { CATEGORIES, PRIORITIES } from "@/lib/contract";
import type { Draft } from "@/lib/draft";
import { categoryLabels, formTexts, priorityLabels } from "@/lib/texts";
import { countCharacters, LIMITS, type FieldName } from "@/lib/validation";

export type FieldProps = {
  field: FieldName;
  draft: Draft;
  error: string | undefined;
  readOnly: boolean;
  change: (field: FieldName, value: string) => void;
};

type FrameProps = { field: FieldName; label: string; hint?: string; error: string | undefined; children: React.ReactNode };

/** The ids of the hint and the error that describe a field, for aria-describedby. */
function describedBy(field: FieldName, hint: boolean, error: string | undefined): string | undefined {
  return [hint && `${field}-hint`, error !== undefined && `${field}-error`].filter(Boolean).join(" ") || undefined;
}

function FieldError({ field, error }: { field: FieldName; error: string | undefined }) {
  if (error === undefined) return null;
  return (
    <p id={`${field}-error`} className="mt-1.5 flex gap-1.5 text-sm font-medium text-danger">
      <svg aria-hidden="true" viewBox="0 0 16 16" className="mt-0.5 size-4 shrink-0 fill-current">
        <path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm-.75 3.5h1.5v5h-1.5v-5Zm0 6.25h1.5v1.5h-1.5v-1.5Z" />
      </svg>
      {error}
    </p>
  );
}

function Frame({ field, label, hint, error, children }: FrameProps) {
  return (
    <div>
      <label htmlFor={field} className="label">
        {label}
      </label>
      {hint !== undefined && (
        <p id={`${field}-hint`} className="hint">
          {hint}
        </p>
      )}
      {children}
      <FieldError field={field} error={error} />
    </div>
  );
}

type TextFieldProps = FieldProps & {
  field: "name" | "email" | "subject";
  label: string;
  hint?: string;
  type?: "text" | "email";
  autoComplete: string;
};

export function TextField({ field, draft, error, readOnly, change, label, hint, type = "text", autoComplete }: TextFieldProps) {
  return (
    <Frame field={field} label={label} error={error} {...(hint !== undefined && { hint })}>
      <input
        id={field}
        name={field}
        type={type}
        autoComplete={autoComplete}
        className="control"
        value={draft[field]}
        readOnly={readOnly}
        aria-required="true"
        aria-invalid={error !== undefined}
        aria-describedby={describedBy(field, hint !== undefined, error)}
        onChange={(event) => change(field, event.target.value)}
      />
    </Frame>
  );
}

export function CategoryField({ draft, error, change }: FieldProps) {
  return (
    <Frame field="category" label={formTexts.category} error={error}>
      <select
        id="category"
        name="category"
        className="control select"
        value={draft.category}
        aria-required="true"
        aria-invalid={error !== undefined}
        aria-describedby={describedBy("category", false, error)}
        onChange={(event) => change("category", event.target.value)}
      >
        <option value="">{formTexts.categoryPlaceholder}</option>
        {CATEGORIES.map((category) => (
          <option key={category} value={category}>
            {categoryLabels[category]}
          </option>
        ))}
      </select>
    </Frame>
  );
}

export function PriorityField({ draft, error, change }: FieldProps) {
  return (
    <fieldset id="priority" tabIndex={-1} aria-describedby={describedBy("priority", false, error)}>
      <legend className="label">{formTexts.priority}</legend>
      <div className="mt-1.5 grid grid-cols-3 gap-2">
        {PRIORITIES.map((priority) => (
          <label key={priority} className="choice">
            <input
              type="radio"
              name="priority"
              value={priority}
              className="sr-only"
              checked={draft.priority === priority}
              onChange={() => change("priority", priority)}
            />
            <span className="font-medium">{priorityLabels[priority].label}</span>
            <span className="text-xs leading-snug text-muted">{priorityLabels[priority].hint}</span>
          </label>
        ))}
      </div>
      <FieldError field="priority" error={error} />
    </fieldset>
  );
}

/** Tells a screen reader about the limit at every hundredth character, not at each one. */
function announceLeft(left: number): string {
  if (left < 0) return formTexts.overLimit;
  return left <= 500 ? formTexts.fewLeft(Math.floor(left / 100) * 100 + 100) : "";
}

export function MessageField({ draft, error, readOnly, change }: FieldProps) {
  const used = countCharacters(draft.message);
  return (
    <Frame field="message" label={formTexts.message} hint={formTexts.messageHint} error={error}>
      <textarea
        id="message"
        name="message"
        rows={7}
        className="control min-h-40 resize-y"
        autoComplete="off"
        value={draft.message}
        readOnly={readOnly}
        aria-required="true"
        aria-invalid={error !== undefined}
        aria-describedby={`${describedBy("message", true, error)} message-counter`}
        onChange={(event) => change("message", event.target.value)}
      />
      <p id="message-counter" className={`mt-1.5 text-sm tabular-nums ${used > LIMITS.message ? "text-danger" : "text-muted"}`}>
        {formTexts.counter(used, LIMITS.message)}
      </p>
      <p role="status" className="sr-only">
        {announceLeft(LIMITS.message - used)}
      </p>
    </Frame>
  );
}

/** Robots fill in every field; people never meet this one, by eye, keyboard or screen reader. */
export function Honeypot() {
  return (
    <div aria-hidden="true" className="absolute -left-[200vw] top-0 size-px overflow-hidden">
      <label htmlFor="website">{formTexts.honeypot}</label>
      <input id="website" name="website" type="text" tabIndex={-1} autoComplete="off" defaultValue="" />
    </div>
  );
}
