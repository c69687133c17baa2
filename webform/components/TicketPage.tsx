"use client";

import { useSyncExternalStore } from "react";
import { ticketTexts as texts } from "@/lib/texts";
import { TicketFinder } from "./TicketFinder";
import { WatchedTicket } from "./WatchedTicket";

const never = () => () => {};

/** The id in the address; undefined in the exported HTML, which is one file for all tickets. */
function useIdInAddress(): string | undefined {
  return useSyncExternalStore(
    never,
    () => (new URLSearchParams(window.location.search).get("id") ?? "").trim(),
    () => undefined,
  );
}

export function TicketPage() {
  const id = useIdInAddress();
  if (id === undefined) return <p className="text-muted">{texts.loading}</p>;
  if (id === "") return <TicketFinder heading={texts.finderHeading} headingLevel="h1" />;
  return <WatchedTicket key={id} id={id} />;
}
