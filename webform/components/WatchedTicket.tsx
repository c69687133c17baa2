"use client";

import type { Ticket } from "@/lib/contract";
import { categoryLabels, priorityLabels, statusTexts, ticketTexts as texts } from "@/lib/texts";
import { useTicket } from "@/lib/watch";
import { Conversation } from "./Conversation";
import { CopyableId } from "./CopyableId";
import { LocalTime } from "./LocalTime";
import { TicketFinder } from "./TicketFinder";

function StatusCard({ ticket }: { ticket: Ticket }) {
  const status = statusTexts[ticket.status];
  return (
    <div role="status" className={`status status-${ticket.status}`}>
      <p className="flex items-center gap-2.5 font-semibold">
        <span aria-hidden="true" className="status-dot" />
        {status.label}
      </p>
      <p className="mt-1 text-sm">{status.next}</p>
    </div>
  );
}

function Facts({ ticket }: { ticket: Ticket }) {
  const waiting = ticket.status !== "resolved" && ticket.status !== "closed";
  const facts: [string, React.ReactNode][] = [
    [texts.opened, <LocalTime key="opened" time={ticket.created_at} />],
    [texts.topic, categoryLabels[ticket.category]],
    [texts.priority, priorityLabels[ticket.priority].label],
  ];
  if (waiting) facts.push([texts.expected, ticket.estimated_response_time]);
  return (
    <dl className="flex flex-wrap gap-x-8 gap-y-3 text-sm">
      {facts.map(([term, value]) => (
        <div key={term}>
          <dt className="text-muted">{term}</dt>
          <dd className="mt-0.5 font-medium">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function ShownTicket({ ticket, stale }: { ticket: Ticket; stale: boolean }) {
  return (
    <article className="space-y-6">
      <header>
        <div className="flex flex-wrap items-center gap-x-2 text-sm text-muted">
          {texts.eyebrow} <CopyableId id={ticket.ticket_id} />
        </div>
        <h1 className="mt-2 text-2xl font-semibold text-balance wrap-anywhere sm:text-3xl">{ticket.subject}</h1>
      </header>
      <StatusCard ticket={ticket} />
      <p role="status" className="text-sm text-muted empty:hidden">
        {stale && texts.stale}
      </p>
      <Facts ticket={ticket} />
      <Conversation ticket={ticket} />
      <p>
        <a className="link" href="/">
          {texts.writeAgain}
        </a>
      </p>
    </article>
  );
}

function Unknown({ id }: { id: string }) {
  return (
    <div className="space-y-6">
      <div role="alert">
        <h1 className="text-2xl font-semibold">{texts.unknownHeading}</h1>
        <p className="mt-2 text-muted">{texts.unknownBody}</p>
      </div>
      <TicketFinder id={id} />
      <p>
        <a className="link" href="/">
          {texts.writeInstead}
        </a>
      </p>
    </div>
  );
}

function Failed({ retry }: { retry: () => void }) {
  return (
    <div className="card">
      <div role="alert">
        <h1 className="text-2xl font-semibold">{texts.failedHeading}</h1>
        <p className="mt-2 text-muted">{texts.failedBody}</p>
      </div>
      <button type="button" className="button mt-5" onClick={retry}>
        {texts.retry}
      </button>
    </div>
  );
}

/** One ticket, kept up to date while it is open on the screen. */
export function WatchedTicket({ id }: { id: string }) {
  const [view, retry] = useTicket(id);
  if (view.kind === "loading") return <p role="status">{texts.loading}</p>;
  if (view.kind === "unknown") return <Unknown id={id} />;
  if (view.kind === "failed") return <Failed retry={retry} />;
  return <ShownTicket ticket={view.ticket} stale={view.stale} />;
}
