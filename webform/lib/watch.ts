import { useEffect, useState } from "react";
import { getTicket, type TicketResult } from "./api";
import type { Ticket, TicketStatus } from "./contract";

const BUSY_MS = 1_500;
const PATIENT_MS = 10_000;
const WITH_A_PERSON_MS = 15_000;
const BUSY_FOR_MS = 60_000;

const FINISHED: readonly TicketStatus[] = ["resolved", "closed"];

/** How long to wait before looking again, or null when nothing more will come. */
export function nextLookMs(result: TicketResult, watchedMs: number): number | null {
  if (result.kind === "unknown") return null;
  if (result.kind === "failed") return PATIENT_MS;
  if (FINISHED.includes(result.ticket.status)) return null;
  if (result.ticket.status === "escalated") return WITH_A_PERSON_MS;
  return watchedMs < BUSY_FOR_MS ? BUSY_MS : PATIENT_MS;
}

/** Looks at the ticket until it is finished, not while the tab is hidden. Returns the way to stop. */
export function watchTicket(id: string, report: (result: TicketResult) => void): () => void {
  const startedAt = Date.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let delayMs: number | null = 0;
  let looking = false;
  let stopped = false;

  async function look() {
    looking = true;
    const result = await getTicket(id);
    looking = false;
    if (stopped) return;
    report(result);
    delayMs = nextLookMs(result, Date.now() - startedAt);
    if (delayMs !== null && !document.hidden) timer = setTimeout(look, delayMs);
  }

  function onVisibility() {
    clearTimeout(timer);
    if (!document.hidden && delayMs !== null && !looking) void look();
  }

  document.addEventListener("visibilitychange", onVisibility);
  void look();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onVisibility);
  };
}

export type TicketView =
  | { kind: "loading" }
  | { kind: "unknown" }
  | { kind: "failed" }
  | { kind: "shown"; ticket: Ticket; stale: boolean };

/** A failed look keeps what was shown before and marks it stale. */
function viewAfter(before: TicketView, result: TicketResult): TicketView {
  if (result.kind === "found") return { kind: "shown", ticket: result.ticket, stale: false };
  if (result.kind === "failed" && before.kind === "shown") return { ...before, stale: true };
  return result;
}

/** The ticket as last seen, and a way to look again at once. */
export function useTicket(id: string): [TicketView, () => void] {
  const [view, setView] = useState<TicketView>({ kind: "loading" });
  const [round, setRound] = useState(0);
  useEffect(() => watchTicket(id, (result) => setView((before) => viewAfter(before, result))), [id, round]);
  return [view, () => setRound((count) => count + 1)];
}
