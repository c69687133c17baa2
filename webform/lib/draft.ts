import { useSyncExternalStore } from "react";
import { CATEGORIES, PRIORITIES, type Category, type Priority } from "./contract";
import { readSession, subscribeSession, writeSession } from "./session";

export type Draft = {
  name: string;
  email: string;
  subject: string;
  category: Category | "";
  priority: Priority;
  message: string;
};

const KEY = "support-draft";

export const EMPTY_DRAFT: Draft = { name: "", email: "", subject: "", category: "", priority: "medium", message: "" };

function parseDraft(raw: string | null): Draft {
  if (raw === null) return EMPTY_DRAFT;
  let stored: Record<string, unknown>;
  try {
    stored = JSON.parse(raw) as Record<string, unknown>;
  } catch {
    return EMPTY_DRAFT;
  }
  const text = (key: string) => (typeof stored[key] === "string" ? (stored[key] as string) : "");
  return {
    name: text("name"),
    email: text("email"),
    subject: text("subject"),
    category: CATEGORIES.find((known) => known === stored.category) ?? "",
    priority: PRIORITIES.find((known) => known === stored.priority) ?? "medium",
    message: text("message"),
  };
}

// React wants the same object for the same content, so the last parse is kept.
let parsed: { raw: string | null; draft: Draft } = { raw: null, draft: EMPTY_DRAFT };

export function currentDraft(): Draft {
  const raw = readSession(KEY);
  if (raw !== parsed.raw) parsed = { raw, draft: parseDraft(raw) };
  return parsed.draft;
}

export function keepDraft(draft: Draft): void {
  writeSession(KEY, JSON.stringify(draft));
}

/** The draft as typed so far in this tab; a reload finds it again. */
export function useDraft(): Draft {
  return useSyncExternalStore(subscribeSession, currentDraft, () => EMPTY_DRAFT);
}
