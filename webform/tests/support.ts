import axe from "axe-core";
import { expect, vi, type Mock } from "vitest";
import type { Ticket } from "@/lib/contract";

type Answer = { status?: number; json?: unknown; headers?: Record<string, string> } | "unreachable";
export type Fetched = Mock<(url: string, init?: RequestInit) => Promise<Response>>;

/** A server that gives these answers in turn, the last one for ever. */
export function serve(...answers: Answer[]): Fetched {
  const queue = [...answers];
  const fetched: Fetched = vi.fn(async () => {
    const answer = queue.length > 1 ? queue.shift() : queue[0];
    if (answer === undefined || answer === "unreachable") throw new TypeError("Failed to fetch");
    return new Response(JSON.stringify(answer.json), { status: answer.status ?? 200, headers: answer.headers ?? {} });
  });
  vi.stubGlobal("fetch", fetched);
  return fetched;
}

export function aTicket(changes: Partial<Ticket> = {}): Ticket {
  return {
    ticket_id: "tkt_0123456789abcdefghijkl",
    subject: "Orders stopped syncing",
    status: "open",
    channel: "web_form",
    category: "technical",
    priority: "medium",
    created_at: "2026-11-23T09:14:03Z",
    updated_at: "2026-11-23T09:14:09Z",
    estimated_response_time: "within a few minutes",
    messages: [
      { id: "m1", author: "customer", body: "Since this morning…", created_at: "2026-11-23T09:14:03Z", sources: [] },
    ],
    ...changes,
  };
}

/** Fails with the rule and the element for everything that axe objects to; colours need a real browser. */
export async function expectNoAxeViolations(container: Element): Promise<void> {
  const results = await axe.run(container, { rules: { "color-contrast": { enabled: false }, region: { enabled: false } } });
  const found = results.violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html}`));
  expect(found).toEqual([]);
  expect(results.passes.length).toBeGreaterThan(5);
}
