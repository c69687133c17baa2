import { describe, expect, it, vi } from "vitest";
import type { TicketStatus } from "@/lib/contract";
import { nextLookMs, watchTicket } from "@/lib/watch";
import { aTicket, serve } from "./support";

const seen = (status: TicketStatus) => ({ kind: "found", ticket: aTicket({ status }) }) as const;

function hideTab(hidden: boolean) {
  vi.spyOn(document, "hidden", "get").mockReturnValue(hidden);
  document.dispatchEvent(new Event("visibilitychange"));
}

describe("nextLookMs", () => {
  it.each<[TicketStatus, number, number | null]>([
    ["open", 0, 1_500],
    ["processing", 59_999, 1_500],
    ["processing", 60_000, 10_000],
    ["escalated", 0, 15_000],
    ["resolved", 0, null],
    ["closed", 0, null],
  ])("after %s, watched for %d ms, waits %s ms", (status, watchedMs, expected) => {
    expect(nextLookMs(seen(status), watchedMs)).toBe(expected);
  });

  it("gives up on an unknown ticket, not on a failing server", () => {
    expect(nextLookMs({ kind: "unknown" }, 0)).toBeNull();
    expect(nextLookMs({ kind: "failed" }, 0)).toBe(10_000);
  });
});

describe("watchTicket", () => {
  it("looks until the ticket is resolved", async () => {
    vi.useFakeTimers();
    const fetched = serve({ json: aTicket() }, { json: aTicket() }, { json: aTicket({ status: "resolved" }) });
    const report = vi.fn();
    const stop = watchTicket("tkt_1", report);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fetched).toHaveBeenCalledTimes(3);
    expect(report).toHaveBeenLastCalledWith(seen("resolved"));
    stop();
  });

  it("rests while the tab is hidden and looks at once when it is back", async () => {
    vi.useFakeTimers();
    const fetched = serve({ json: aTicket() });
    const stop = watchTicket("tkt_1", () => {});
    await vi.advanceTimersByTimeAsync(0);
    hideTab(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fetched).toHaveBeenCalledTimes(1);
    hideTab(false);
    await vi.advanceTimersByTimeAsync(0);
    expect(fetched).toHaveBeenCalledTimes(2);
    stop();
  });

  it("plans no further look when the tab was hidden during one", async () => {
    vi.useFakeTimers();
    const fetched = serve({ json: aTicket() });
    const stop = watchTicket("tkt_1", () => {});
    hideTab(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fetched).toHaveBeenCalledTimes(1);
    stop();
  });

  it("is silent once stopped", async () => {
    vi.useFakeTimers();
    const fetched = serve({ json: aTicket() });
    const report = vi.fn();
    watchTicket("tkt_1", report)();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fetched).toHaveBeenCalledTimes(1);
    expect(report).not.toHaveBeenCalled();
  });

  it("never asks the server for something that is no ticket id", async () => {
    const fetched = serve({ json: aTicket() });
    const report = vi.fn();
    watchTicket("../conversations/1", report);
    await vi.waitFor(() => expect(report).toHaveBeenCalledWith({ kind: "unknown" }));
    expect(fetched).not.toHaveBeenCalled();
  });
});
