import { render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { TicketPage } from "@/components/TicketPage";
import type { TicketMessage, TicketStatus } from "@/lib/contract";
import { aTicket, expectNoAxeViolations, serve } from "./support";

const ID = aTicket().ticket_id;

function answer(changes: Partial<TicketMessage> = {}): TicketMessage {
  return { id: "m2", author: "assistant", body: "Hi", created_at: "2026-11-23T09:14:09Z", sources: [], ...changes };
}

beforeEach(() => window.history.replaceState(null, "", `/ticket/?id=${ID}`));

describe("a ticket", () => {
  it.each<[TicketStatus, string, string]>([
    ["open", "Received", "An answer is being prepared"],
    ["processing", "Working on it", "An answer is being prepared"],
    ["escalated", "A person has taken over", "will reply to you"],
    ["resolved", "Answered", "write to us again"],
    ["closed", "Closed", "This ticket is finished"],
  ])("that is %s says so in words: %s", async (status, label, next) => {
    serve({ json: aTicket({ status }) });
    const { container } = render(<TicketPage />);
    expect(await screen.findByText(label)).toBeVisible();
    expect(screen.getByText(new RegExp(next))).toBeVisible();
    await expectNoAxeViolations(container);
  });

  it("shows who wrote what, with the sources as links below", async () => {
    const sources = [
      { title: "Map a channel", url: "https://help.tallyroot.example/map-a-channel" },
      { title: "A trap", url: "javascript:alert(1)" },
    ];
    serve({ json: aTicket({ status: "resolved", messages: [...aTicket().messages, answer({ sources })] }) });
    render(<TicketPage />);
    expect(await screen.findByRole("heading", { name: "Orders stopped syncing", level: 1 })).toBeVisible();
    expect(screen.getByText("You")).toBeVisible();
    expect(screen.getByText("Assistant")).toBeVisible();
    const links = within(screen.getByRole("list", { name: "Sources" })).getAllByRole("link");
    expect(links.map((link) => link.getAttribute("href"))).toEqual([sources[0]?.url]);
    expect(screen.getByText("A trap")).toBeVisible();
  });

  it("renders a body as text, never as markup", async () => {
    const body = "Type <b>bold</b> <img src=x onerror=alert(1)>\n\n1. First\n2. Second";
    serve({ json: aTicket({ status: "resolved", messages: [answer({ body })] }) });
    const { container } = render(<TicketPage />);
    expect(await screen.findByText("Type <b>bold</b> <img src=x onerror=alert(1)>")).toBeVisible();
    expect(container.querySelector("img, b")).toBeNull();
    expect(screen.getByText("Second").closest("li")).toHaveTextContent("2.Second");
  });

  it("goes from working to answered by itself, and keeps what it shows when a look fails", async () => {
    vi.useFakeTimers();
    const done = aTicket({ status: "resolved", messages: [answer({ body: "Map it again." })] });
    serve({ json: aTicket() }, "unreachable", { json: done });
    render(<TicketPage />);
    await vi.waitFor(() => expect(screen.getByText("Received")).toBeVisible());
    await vi.advanceTimersByTimeAsync(1_500);
    await vi.waitFor(() => expect(screen.getByText(/trouble updating/)).toBeVisible());
    expect(screen.getByText("Received")).toBeVisible();
    await vi.advanceTimersByTimeAsync(10_000);
    await vi.waitFor(() => expect(screen.getByText("Map it again.")).toBeVisible());
    expect(screen.queryByText(/trouble updating/)).not.toBeInTheDocument();
  });
});

describe("no ticket", () => {
  it("explains an unknown id, offers another try and a way back", async () => {
    serve({ status: 404, json: { title: "Unknown ticket" } });
    const { container } = render(<TicketPage />);
    expect(await screen.findByRole("alert")).toHaveTextContent("We can’t find that ticket");
    expect(screen.getByLabelText("Ticket id")).toHaveValue(ID);
    expect(screen.getByRole("link", { name: "Write to us instead" })).toHaveAttribute("href", "/");
    await expectNoAxeViolations(container);
  });

  it("asks for an id when the address has none", async () => {
    window.history.replaceState(null, "", "/ticket/");
    const fetched = serve({ json: aTicket() });
    const { container } = render(<TicketPage />);
    expect(screen.getByRole("heading", { name: "Find your ticket", level: 1 })).toBeVisible();
    expect(screen.getByLabelText("Ticket id").closest("form")).toHaveAttribute("action", "/ticket/");
    expect(fetched).not.toHaveBeenCalled();
    await expectNoAxeViolations(container);
  });

  it("reassures when the server is away, and tries again when asked", async () => {
    serve({ status: 503, json: {} }, { json: aTicket({ status: "resolved" }) });
    const { container } = render(<TicketPage />);
    expect(await screen.findByRole("alert")).toHaveTextContent("Your ticket is safe");
    await expectNoAxeViolations(container);
    await userEvent.click(screen.getByRole("button", { name: "Try again now" }));
    expect(await screen.findByText("Answered")).toBeVisible();
  });
});
