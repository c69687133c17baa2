import type { Draft } from "./draft";
import { validationTexts as texts } from "./texts";

/** In the order in which they stand on the page. */
export const FIELDS = ["name", "email", "category", "priority", "subject", "message"] as const;
export type FieldName = (typeof FIELDS)[number];
export type FieldErrors = Partial<Record<FieldName, string>>;

export const LIMITS = { name: 120, email: 254, subjectMin: 3, subject: 200, messageMin: 10, message: 5000 } as const;

const EMAIL = /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/;

/** Characters as the server counts them: code points, so an emoji is one. */
export function countCharacters(text: string): number {
  return Array.from(text.trim()).length;
}

function checkName(name: string): string | undefined {
  const count = countCharacters(name);
  if (count === 0) return texts.name;
  return count > LIMITS.name ? texts.nameLong(LIMITS.name) : undefined;
}

function checkEmail(email: string): string | undefined {
  const address = email.trim();
  if (address === "") return texts.emailEmpty;
  if (address.length > LIMITS.email) return texts.emailLong(LIMITS.email);
  return EMAIL.test(address) ? undefined : texts.email;
}

function checkSubject(subject: string): string | undefined {
  const count = countCharacters(subject);
  if (count < LIMITS.subjectMin) return texts.subjectShort(LIMITS.subjectMin);
  return count > LIMITS.subject ? texts.subjectLong(LIMITS.subject) : undefined;
}

function checkMessage(message: string): string | undefined {
  const count = countCharacters(message);
  if (count < LIMITS.messageMin) return texts.messageShort(LIMITS.messageMin);
  return count > LIMITS.message ? texts.messageLong(LIMITS.message, count - LIMITS.message) : undefined;
}

export function validate(draft: Draft): FieldErrors {
  const found: Record<FieldName, string | undefined> = {
    name: checkName(draft.name),
    email: checkEmail(draft.email),
    category: draft.category === "" ? texts.category : undefined,
    priority: undefined,
    subject: checkSubject(draft.subject),
    message: checkMessage(draft.message),
  };
  return Object.fromEntries(Object.entries(found).filter(([, message]) => message !== undefined));
}
