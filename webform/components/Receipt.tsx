import { useEffect, useRef } from "react";
import { ticketPageUrl } from "@/lib/api";
import type { SubmitReceipt } from "@/lib/contract";
import { receiptTexts as texts } from "@/lib/texts";
import { CopyableId } from "./CopyableId";

/** What the customer keeps: the ticket id, when to expect an answer, and where it will appear. */
export function Receipt({ receipt, startAgain }: { receipt: SubmitReceipt; startAgain: () => void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <section>
      <span aria-hidden="true" className="grid size-12 place-items-center rounded-full bg-accent-soft text-accent">
        <svg viewBox="0 0 24 24" className="size-6 fill-none stroke-current stroke-[2.5]">
          <path d="m5 12.5 4.5 4.5L19 7.5" strokeLinecap="round" strokeLinejoin="round" />
        </svg>
      </span>
      <h2 ref={heading} tabIndex={-1} className="mt-4 text-2xl font-semibold outline-none">
        {texts.heading}
      </h2>
      <p className="mt-2 text-muted">{receipt.message}</p>
      <dl className="mt-6 space-y-4 rounded-xl bg-page p-4">
        <div>
          <dt className="text-sm text-muted">{texts.ticketId}</dt>
          <dd className="mt-1">
            <CopyableId id={receipt.ticket_id} />
          </dd>
          <dd className="mt-1 text-sm text-muted">{texts.keepPrivate}</dd>
        </div>
        <div>
          <dt className="text-sm text-muted">{texts.expected}</dt>
          <dd className="mt-1 font-medium">{receipt.estimated_response_time}</dd>
        </div>
      </dl>
      <div className="mt-6 flex flex-col gap-3 sm:flex-row">
        <a className="button" href={ticketPageUrl(receipt.ticket_id)}>
          {texts.follow}
        </a>
        <button type="button" className="button button-quiet" onClick={startAgain}>
          {texts.another}
        </button>
      </div>
    </section>
  );
}
