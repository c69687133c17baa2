"use client";

import { ticketPageUrl } from "@/lib/api";
import { formTexts as texts, receiptTexts } from "@/lib/texts";
import { useHydrated, useLatestTicket, useSupportForm } from "@/lib/useSupportForm";
import type { FieldName } from "@/lib/validation";
import { ErrorSummary } from "./ErrorSummary";
import { CategoryField, Honeypot, MessageField, PriorityField, TextField } from "./fields";
import { Receipt } from "./Receipt";

type Form = ReturnType<typeof useSupportForm>;

function Fields({ form }: { form: Form }) {
  const props = <Name extends FieldName>(field: Name) => ({
    field,
    draft: form.draft,
    error: form.report.errors[field],
    readOnly: form.sending,
    change: form.change,
  });
  return (
    // Until the script runs the browser would submit the form by itself, and the text would be gone.
    <fieldset disabled={!useHydrated()} className="space-y-5">
      <legend className="sr-only">{texts.heading}</legend>
      <div className="grid gap-5 sm:grid-cols-2">
        <TextField {...props("name")} label={texts.name} autoComplete="name" />
        <TextField {...props("email")} label={texts.email} type="email" autoComplete="email" />
      </div>
      <CategoryField {...props("category")} />
      <PriorityField {...props("priority")} />
      <TextField {...props("subject")} label={texts.subject} autoComplete="off" />
      <MessageField {...props("message")} />
      <Honeypot />
      <button type="submit" className="button w-full sm:w-auto" aria-disabled={form.sending}>
        {form.sending && <span aria-hidden="true" className="spinner" />}
        {form.sending ? texts.sending : texts.send}
      </button>
    </fieldset>
  );
}

function LatestTicket() {
  const ticketId = useLatestTicket();
  if (ticketId === null) return null;
  return (
    <p className="mt-4 text-sm text-muted">
      {texts.latestTicket}{" "}
      <a className="link" href={ticketPageUrl(ticketId)}>
        {ticketId}
      </a>
    </p>
  );
}

/** The support form: keeps what was typed until it has been accepted, then shows the receipt. */
export function SupportForm() {
  const form = useSupportForm();

  function onSubmit(event: React.FormEvent<HTMLFormElement>) {
    event.preventDefault();
    void form.send(String(new FormData(event.currentTarget).get("website") ?? ""));
  }

  return (
    <>
      <p role="status" className="sr-only">
        {form.sending && texts.sendingStatus}
        {form.receipt && receiptTexts.sentStatus(form.receipt.ticket_id)}
      </p>
      {form.receipt ? (
        <Receipt receipt={form.receipt} startAgain={form.startAgain} />
      ) : (
        <form method="post" noValidate onSubmit={onSubmit} className="relative">
          <h2 className="text-xl font-semibold">{texts.heading}</h2>
          <p className="mb-6 mt-1 text-sm text-muted">{texts.required}</p>
          <ErrorSummary key={form.report.attempt} report={form.report} />
          <Fields form={form} />
          <noscript>
            <p className="mt-4 text-danger">{texts.noScript}</p>
          </noscript>
          <LatestTicket />
        </form>
      )}
    </>
  );
}
