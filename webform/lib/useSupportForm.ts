import { useCallback, useRef, useState, useSyncExternalStore } from "react";
import { submitTicket, type Failure } from "./api";
import type { Category, SubmitReceipt, SubmitRequest } from "./contract";
import { currentDraft, EMPTY_DRAFT, keepDraft, useDraft, type Draft } from "./draft";
import { forgetKey, keyFor } from "./idempotency";
import { readSession, subscribeSession, writeSession } from "./session";
import { validate, type FieldErrors, type FieldName } from "./validation";

const LATEST = "support-latest-ticket";

/** What the last press of the button brought back; `attempt` makes each report a new one to be focused. */
export type Report = { attempt: number; errors: FieldErrors; failure: Failure | null };

const NOTHING_WRONG: Report = { attempt: 0, errors: {}, failure: null };

function encodeRequest(draft: Draft, website: string): string {
  const request: SubmitRequest = {
    name: draft.name.trim(),
    email: draft.email.trim(),
    subject: draft.subject.trim(),
    // Validation has refused an empty choice before this is called.
    category: draft.category as Category,
    priority: draft.priority,
    message: draft.message.trim(),
    website,
  };
  return JSON.stringify(request);
}

function withoutError(report: Report, field: FieldName): Report {
  if (report.errors[field] === undefined) return report;
  const others = Object.entries(report.errors).filter(([name]) => name !== field);
  return { ...report, errors: Object.fromEntries(others) };
}

/** False in the exported HTML and until the page's script runs. */
export function useHydrated(): boolean {
  return useSyncExternalStore(subscribeSession, () => true, () => false);
}

/** The id of the ticket that this tab opened last. */
export function useLatestTicket(): string | null {
  return useSyncExternalStore(subscribeSession, () => readSession(LATEST), () => null);
}

/** The form's life: typing, sending, then a receipt, or a report with everything typed still there. */
export function useSupportForm() {
  const draft = useDraft();
  const [report, setReport] = useState(NOTHING_WRONG);
  const [sending, setSending] = useState(false);
  const [receipt, setReceipt] = useState<SubmitReceipt | null>(null);
  const inFlight = useRef(false);

  const change = useCallback((field: FieldName, value: string) => {
    keepDraft({ ...currentDraft(), [field]: value });
    setReport((before) => withoutError(before, field));
  }, []);

  const fail = (errors: FieldErrors, failure: Failure | null) =>
    setReport((before) => ({ attempt: before.attempt + 1, errors, failure }));

  async function send(website: string) {
    if (inFlight.current) return;
    const errors = validate(draft);
    if (Object.keys(errors).length > 0) return fail(errors, null);
    inFlight.current = true;
    setSending(true);
    const body = encodeRequest(draft, website);
    const result = await submitTicket(body, keyFor(body));
    inFlight.current = false;
    setSending(false);
    if (result.kind === "failed") return fail(result.failure.fieldErrors, result.failure);
    forgetKey();
    writeSession(LATEST, result.receipt.ticket_id);
    // Who writes stays, so that a second message need not ask again.
    keepDraft({ ...EMPTY_DRAFT, name: draft.name, email: draft.email });
    setReport(NOTHING_WRONG);
    setReceipt(result.receipt);
  }

  return { draft, report, sending, receipt, change, send, startAgain: () => setReceipt(null) };
}
