import { ticketTexts as texts } from "@/lib/texts";

type Props = { heading?: string; headingLevel?: "h1" | "h2"; id?: string };

/** A plain form that opens the ticket page; it works without any script of ours. */
export function TicketFinder({ heading, headingLevel: Heading = "h2", id = "" }: Props) {
  return (
    <form action="/ticket/" method="get" className="card">
      {heading !== undefined && <Heading className="mb-4 text-2xl font-semibold">{heading}</Heading>}
      <label htmlFor="ticket-id" className="label">
        {texts.finderLabel}
      </label>
      <p id="ticket-id-hint" className="hint">
        {texts.finderHint}
      </p>
      <div className="flex flex-col gap-3 sm:flex-row sm:items-center">
        <input
          id="ticket-id"
          name="id"
          required
          defaultValue={id}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          className="control mt-0 font-mono"
          aria-describedby="ticket-id-hint"
        />
        <button type="submit" className="button shrink-0">
          {texts.finderButton}
        </button>
      </div>
    </form>
  );
}
