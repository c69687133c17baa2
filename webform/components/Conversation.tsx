import type { Source, Ticket, TicketMessage } from "@/lib/contract";
import { authorNames, ticketTexts as texts } from "@/lib/texts";
import { LocalTime } from "./LocalTime";
import { MessageBody } from "./MessageBody";

/** Only web addresses become links; anything else stays text. */
function isLinkable(url: string): boolean {
  return /^(https?:\/\/|\/(?!\/))/i.test(url);
}

function Sources({ sources, messageId }: { sources: Source[]; messageId: string }) {
  if (sources.length === 0) return null;
  return (
    <div className="mt-4 border-t border-line pt-3 text-sm">
      <h3 id={`sources-${messageId}`} className="font-medium text-muted">
        {texts.sources}
      </h3>
      <ul aria-labelledby={`sources-${messageId}`} className="mt-1">
        {sources.map((source) => (
          <li key={source.url + source.title}>
            {isLinkable(source.url) ? (
              <a className="link" href={source.url} rel="noreferrer">
                {source.title}
              </a>
            ) : (
              <span className="inline-block py-0.5">{source.title}</span>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}

function Bubble({ message }: { message: TicketMessage }) {
  return (
    <li className={`bubble bubble-${message.author}`}>
      <p className="mb-1.5 flex flex-wrap items-baseline gap-x-2 text-sm">
        <span className="font-semibold">{authorNames[message.author]}</span>
        <span className="text-xs text-muted">
          <LocalTime time={message.created_at} />
        </span>
      </p>
      <MessageBody body={message.body} />
      <Sources sources={message.sources} messageId={message.id} />
    </li>
  );
}

function Preparing() {
  return (
    <li className="bubble bubble-assistant flex w-fit items-center gap-3 text-sm text-muted">
      <span aria-hidden="true" className="dots">
        <i />
        <i />
        <i />
      </span>
      {texts.preparing}
    </li>
  );
}

export function Conversation({ ticket }: { ticket: Ticket }) {
  const preparing = ticket.status === "open" || ticket.status === "processing";
  return (
    <section aria-labelledby="conversation">
      <h2 id="conversation" className="mb-3 text-lg font-semibold">
        {texts.conversation}
      </h2>
      <ol className="flex flex-col gap-4">
        {ticket.messages.map((message) => (
          <Bubble key={message.id} message={message} />
        ))}
        {preparing && <Preparing />}
      </ol>
    </section>
  );
}
