import type { Problem, SubmitReceipt, Ticket } from "./contract";
import { failureTexts as texts } from "./texts";
import { FIELDS, type FieldErrors } from "./validation";

/** What went wrong, in words for the customer. */
export type Failure = {
  title: string;
  detail: string;
  advice: string;
  fieldErrors: FieldErrors;
  /** Errors at fields that this page does not have. */
  otherErrors: string[];
};

export type SubmitResult = { kind: "sent"; receipt: SubmitReceipt } | { kind: "failed"; failure: Failure };
export type TicketResult = { kind: "found"; ticket: Ticket } | { kind: "unknown" } | { kind: "failed" };

const SUBMIT_TIMEOUT_MS = 20_000;
const TICKET_TIMEOUT_MS = 10_000;
const TICKET_ID = /^tkt_[0-9A-Za-z]+$/;

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isReceipt(value: unknown): value is SubmitReceipt {
  return isRecord(value) && typeof value.ticket_id === "string";
}

function isTicket(value: unknown): value is Ticket {
  return isRecord(value) && typeof value.ticket_id === "string" && Array.isArray(value.messages);
}

/** Reads a problem document of any shape: a proxy's page or a foreign error yields an empty one. */
function readProblem(body: unknown): Problem {
  if (!isRecord(body)) return { errors: [] };
  const errors: unknown[] = Array.isArray(body.errors) ? body.errors : [];
  return {
    ...(typeof body.title === "string" && { title: body.title }),
    ...(typeof body.detail === "string" && { detail: body.detail }),
    errors: errors.filter(isRecord).map(({ field, message }) => ({ field: String(field), message: String(message) })),
  };
}

/** Sorts the errors into those at our fields and the rest; `body.email` counts as `email`. */
function sortErrors(errors: Problem["errors"]): Pick<Failure, "fieldErrors" | "otherErrors"> {
  const fieldErrors: FieldErrors = {};
  const otherErrors: string[] = [];
  for (const { field, message } of errors) {
    const name = FIELDS.find((known) => known === field.split(".").at(-1));
    if (name) fieldErrors[name] ??= message;
    else otherErrors.push(message);
  }
  return { fieldErrors, otherErrors };
}

function adviceFor(response: Response): string {
  const wait_s = Number(response.headers.get("Retry-After"));
  if (wait_s > 0) return `${texts.kept} ${texts.waitSeconds(wait_s)}`;
  if (response.status < 500 && response.status !== 429) return `${texts.kept} ${texts.correct}`;
  return `${texts.kept} ${texts.sendAgain}`;
}

async function failureFrom(response: Response): Promise<Failure> {
  const problem = readProblem(await readJson(response));
  return {
    title: problem.title ?? texts.refused,
    detail: problem.detail ?? texts.refusedDetail,
    advice: adviceFor(response),
    ...sortErrors(problem.errors),
  };
}

function unreachable(): Failure {
  return {
    title: texts.unreachable,
    detail: texts.unreachableDetail,
    advice: `${texts.kept} ${texts.sendAgain}`,
    fieldErrors: {},
    otherErrors: [],
  };
}

/** Sends the body as it is: the key belongs to exactly this text. */
export async function submitTicket(body: string, idempotencyKey: string): Promise<SubmitResult> {
  try {
    const response = await fetch("/support/submit", {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": idempotencyKey },
      body,
      signal: AbortSignal.timeout(SUBMIT_TIMEOUT_MS),
    });
    if (!response.ok) return { kind: "failed", failure: await failureFrom(response) };
    const receipt = await readJson(response);
    return isReceipt(receipt) ? { kind: "sent", receipt } : { kind: "failed", failure: unreachable() };
  } catch {
    return { kind: "failed", failure: unreachable() };
  }
}

export async function getTicket(id: string): Promise<TicketResult> {
  // Anything else is no ticket id, and must not become a path of its own.
  if (!TICKET_ID.test(id)) return { kind: "unknown" };
  try {
    const response = await fetch(`/support/ticket/${id}`, {
      cache: "no-store",
      signal: AbortSignal.timeout(TICKET_TIMEOUT_MS),
    });
    // 422: the server does not even read it as an id.
    if (response.status === 404 || response.status === 422) return { kind: "unknown" };
    const ticket = response.ok ? await readJson(response) : null;
    return isTicket(ticket) ? { kind: "found", ticket } : { kind: "failed" };
  } catch {
    return { kind: "failed" };
  }
}

export function ticketPageUrl(ticketId: string): string {
  return `/ticket/?id=${encodeURIComponent(ticketId)}`;
}
