import { useEffect, useRef } from "react";
import { company, failureTexts, validationTexts } from "@/lib/texts";
import type { Report } from "@/lib/useSupportForm";
import { FIELDS } from "@/lib/validation";

function goToField(event: React.MouseEvent<HTMLAnchorElement>, field: string) {
  const target = document.getElementById(field);
  if (!target) return;
  event.preventDefault();
  // The label above the field should come into view with it.
  target.scrollIntoView({ block: "center" });
  target.focus({ preventScroll: true });
}

/** What stands in the way of sending; takes the focus when it appears. Give each attempt its own key. */
export function ErrorSummary({ report }: { report: Report }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.focus(), []);
  const { errors, failure } = report;
  const fields = FIELDS.filter((field) => errors[field] !== undefined);
  if (fields.length === 0 && failure === null) return null;
  return (
    <div
      ref={box}
      role="alert"
      tabIndex={-1}
      className="mb-6 rounded-xl border border-danger/40 bg-danger-soft p-4 text-ink"
    >
      <h3 className="font-semibold text-danger">{failure ? failure.title : validationTexts.summary(fields.length)}</h3>
      {failure && <p className="mt-1">{failure.detail}</p>}
      {failure && <p className="mt-1">{failure.advice}</p>}
      {(fields.length > 0 || (failure?.otherErrors.length ?? 0) > 0) && (
        <ul className="mt-2 space-y-1">
          {fields.map((field) => (
            <li key={field}>
              <a className="link text-danger hover:text-ink" href={`#${field}`} onClick={(event) => goToField(event, field)}>
                {errors[field]}
              </a>
            </li>
          ))}
          {failure?.otherErrors.map((message) => <li key={message}>{message}</li>)}
        </ul>
      )}
      {failure && fields.length === 0 && (
        <p className="mt-2 text-sm text-muted">
          {failureTexts.otherwise}{" "}
          <a className="link" href={`mailto:${company.supportEmail}`}>
            {company.supportEmail}
          </a>
          .
        </p>
      )}
    </div>
  );
}
