import { render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { SupportForm } from "@/components/SupportForm";
import { expectNoAxeViolations, serve, type Fetched } from "./support";

const RECEIPT = {
  ticket_id: "tkt_0123456789abcdefghijkl",
  message: "Thank you.",
  estimated_response_time: "within a few minutes",
  status_url: "/support/ticket/tkt_0123456789abcdefghijkl",
};
const UNAVAILABLE = { status: 503, json: { title: "Unavailable", status: 503, detail: "The database is away." } };

const user = userEvent.setup({ delay: null });
const send = () => user.click(screen.getByRole("button", { name: "Send message" }));
const keyOf = (fetched: Fetched, call: number) =>
  new Headers(fetched.mock.calls[call]?.[1]?.headers).get("Idempotency-Key");
const bodyOf = (fetched: Fetched, call: number) => JSON.parse(String(fetched.mock.calls[call]?.[1]?.body));

async function enter(label: string, text: string) {
  await user.click(screen.getByLabelText(label));
  await user.paste(text);
}

async function fill() {
  await enter("Your name", " Mara ");
  await enter("Email address", "mara@studio.example");
  await user.selectOptions(screen.getByLabelText("What is it about?"), "Technical help");
  await user.click(screen.getByRole("radio", { name: /High/ }));
  await enter("Subject", "Sync");
  await enter("Message", "Orders stopped.");
}

describe("an incomplete form", () => {
  it("sends nothing, and moves the focus to a summary that links to the fields", async () => {
    const fetched = serve({ json: RECEIPT });
    const { container } = render(<SupportForm />);
    await send();
    const summary = screen.getByRole("alert");
    expect(summary).toHaveFocus();
    expect(within(summary).getAllByRole("link")).toHaveLength(5);
    await user.click(within(summary).getByRole("link", { name: "Enter your email address" }));
    const email = screen.getByLabelText("Email address");
    expect(email).toHaveFocus();
    expect(email).toBeInvalid();
    expect(email).toHaveAccessibleDescription("Enter your email address");
    expect(fetched).not.toHaveBeenCalled();
    await expectNoAxeViolations(container);
  });

  it("takes the focus again at the next try, and clears an error when its field changes", async () => {
    render(<SupportForm />);
    await send();
    await user.type(screen.getByLabelText("Your name"), "M");
    expect(screen.getByLabelText("Your name")).toBeValid();
    await send();
    expect(screen.getByRole("alert")).toHaveFocus();
    expect(screen.queryByText("Enter your name")).not.toBeInTheDocument();
  });
});

describe("a complete form", () => {
  it("is sent trimmed and once, and shows a receipt that takes the focus", async () => {
    const fetched = serve({ json: RECEIPT });
    const { container } = render(<SupportForm />);
    await expectNoAxeViolations(container);
    await fill();
    await send();
    expect(await screen.findByRole("heading", { name: "We have your message" })).toHaveFocus();
    expect(fetched).toHaveBeenCalledTimes(1);
    expect(bodyOf(fetched, 0)).toEqual({
      name: "Mara",
      email: "mara@studio.example",
      subject: "Sync",
      category: "technical",
      priority: "high",
      message: "Orders stopped.",
      website: "",
    });
    expect(screen.getByText(RECEIPT.ticket_id)).toBeVisible();
    expect(screen.getByText("within a few minutes")).toBeVisible();
    expect(screen.getByRole("link", { name: "Follow your ticket" })).toHaveAttribute(
      "href",
      `/ticket/?id=${RECEIPT.ticket_id}`,
    );
    await expectNoAxeViolations(container);
  });

  it("is sent once when the button is pressed twice, and says that it is on its way", async () => {
    let answer: (response: Response) => void = () => {};
    const fetched = vi.fn(() => new Promise<Response>((resolve) => (answer = resolve)));
    vi.stubGlobal("fetch", fetched);
    render(<SupportForm />);
    await fill();
    await send();
    await user.click(screen.getByRole("button", { name: "Sending…" }));
    expect(screen.getByText("Sending your message.")).toHaveAttribute("role", "status");
    expect(fetched).toHaveBeenCalledTimes(1);
    answer(Response.json(RECEIPT));
    expect(await screen.findByText(`Sent. Your ticket id is ${RECEIPT.ticket_id}.`)).toBeInTheDocument();
  });

  it("copies the ticket id", async () => {
    serve({ json: RECEIPT });
    render(<SupportForm />);
    await fill();
    await send();
    await user.click(await screen.findByRole("button", { name: "Copy" }));
    expect(await navigator.clipboard.readText()).toBe(RECEIPT.ticket_id);
    expect(screen.getByText("Copied")).toBeVisible();
  });

  it("starts the next message empty but for who writes, with a new key", async () => {
    const fetched = serve({ json: RECEIPT });
    render(<SupportForm />);
    await fill();
    await send();
    await user.click(await screen.findByRole("button", { name: "Send another message" }));
    expect(screen.getByLabelText("Email address")).toHaveValue("mara@studio.example");
    expect(screen.getByLabelText("Message")).toHaveValue("");
    await user.selectOptions(screen.getByLabelText("What is it about?"), "Technical help");
    await enter("Subject", "Another");
    await enter("Message", "One more question.");
    await send();
    expect(await screen.findByText("We have your message")).toBeVisible();
    expect(keyOf(fetched, 1)).not.toBe(keyOf(fetched, 0));
  });

  it("passes on what a robot wrote in the field that people never meet", async () => {
    const fetched = serve({ json: RECEIPT });
    render(<SupportForm />);
    await fill();
    expect(screen.queryByRole("textbox", { name: "Leave this field empty" })).not.toBeInTheDocument();
    await user.type(screen.getByLabelText("Leave this field empty"), "http://spam.example");
    await send();
    expect(bodyOf(fetched, 0).website).toBe("http://spam.example");
  });
});

describe("a failure", () => {
  it("keeps the text over a 503 and a reload, and tries again under the same key", async () => {
    const fetched = serve(UNAVAILABLE, { json: RECEIPT });
    const { container, unmount } = render(<SupportForm />);
    await fill();
    await send();
    const summary = await screen.findByRole("alert");
    expect(summary).toHaveFocus();
    expect(summary).toHaveTextContent("The database is away.");
    expect(summary).toHaveTextContent("Nothing you typed is lost.");
    await expectNoAxeViolations(container);
    unmount();
    render(<SupportForm />);
    expect(screen.getByLabelText("Message")).toHaveValue("Orders stopped.");
    expect(screen.getByRole("radio", { name: /High/ })).toBeChecked();
    await send();
    expect(await screen.findByText("We have your message")).toBeVisible();
    expect(keyOf(fetched, 0)).toBeTruthy();
    expect(keyOf(fetched, 1)).toBe(keyOf(fetched, 0));
  });

  it("sends a changed text under a new key, because the server knows the old one with the old text", async () => {
    const fetched = serve(UNAVAILABLE, { json: RECEIPT });
    render(<SupportForm />);
    await fill();
    await send();
    await screen.findByRole("alert");
    await user.type(screen.getByLabelText("Message"), " All of them.");
    await send();
    await screen.findByText("We have your message");
    expect(keyOf(fetched, 1)).not.toBe(keyOf(fetched, 0));
  });

  it("shows a 422's errors at their fields", async () => {
    const errors = [
      { field: "email", message: "This domain cannot receive mail" },
      { field: "locale", message: "Unknown locale" },
    ];
    serve({ status: 422, json: { title: "Please check", status: 422, detail: "Two things.", errors } });
    render(<SupportForm />);
    await fill();
    await send();
    expect(await screen.findByRole("alert")).toHaveTextContent("Unknown locale");
    expect(screen.getByLabelText("Email address")).toHaveAccessibleDescription("This domain cannot receive mail");
  });

  it.each([
    ["the network", "unreachable" as const, "We could not reach support"],
    ["a proxy's page", { status: 502, json: "<html>" }, "Your message was not sent"],
    ["a document of another shape", { status: 422, json: { detail: [{ loc: ["body"] }] } }, "Your message was not sent"],
    ["a success that names no ticket", { json: {} }, "We could not reach support"],
  ])("explains %s failing, and keeps the text", async (_, answer, title) => {
    serve(answer);
    render(<SupportForm />);
    await fill();
    await send();
    expect(await screen.findByRole("alert")).toHaveTextContent(title);
    expect(screen.getByLabelText("Message")).toHaveValue("Orders stopped.");
  });

  it("says how long to wait when the server says so", async () => {
    serve({ status: 429, json: { title: "Too many messages", detail: "Slow down." }, headers: { "Retry-After": "30" } });
    render(<SupportForm />);
    await fill();
    await send();
    expect(await screen.findByRole("alert")).toHaveTextContent("Wait 30 seconds");
  });
});
