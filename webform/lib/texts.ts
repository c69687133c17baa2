import type { Author, Category, Priority, TicketStatus } from "./contract";

/** Every word that a customer reads. Another company or language changes this file alone. */

export const company = {
  name: "Tallyroot",
  supportEmail: "support@tallyroot.example",
  language: "en",
} as const;

export const categoryLabels: Record<Category, string> = {
  general: "General question",
  technical: "Technical help",
  billing: "Billing and account",
  feedback: "Feedback or an idea",
  bug_report: "Something is broken",
};

export const priorityLabels: Record<Priority, { label: string; hint: string }> = {
  low: { label: "Low", hint: "Whenever it suits" },
  medium: { label: "Medium", hint: "Slows my work" },
  high: { label: "High", hint: "Stops my work" },
};

export const statusTexts: Record<TicketStatus, { label: string; next: string }> = {
  open: { label: "Received", next: "We have your message and start on it in a moment. This page updates by itself." },
  processing: { label: "Working on it", next: "We are looking up the answer for you. This page updates by itself." },
  escalated: {
    label: "A person has taken over",
    next: "Someone from our support team has your whole conversation and will reply to you. You don’t need to send it again. The reply will also appear here.",
  },
  resolved: { label: "Answered", next: "If this doesn’t solve it, write to us again and mention this ticket id." },
  closed: { label: "Closed", next: "This ticket is finished. If you need anything else, write to us again." },
};

export const authorNames: Record<Author, string> = {
  customer: "You",
  assistant: "Assistant",
  human: "Support team",
  system: `${company.name} support`,
};

export const layoutTexts = {
  title: `${company.name} support`,
  description: `Ask ${company.name} support a question and follow the answer.`,
  navLabel: "Support",
  ask: "Contact us",
  find: "My ticket",
  footer: `${company.name} support answers day and night.`,
};

export const introTexts = {
  heading: "How can we help?",
  lead: "Tell us what you are trying to do. We answer day and night.",
  points: [
    { title: "Answers you can check", body: "Replies are drawn from our product documentation and name their sources." },
    { title: "A person when you need one", body: "If a question needs somebody’s judgement, our team takes over." },
    { title: "Nothing to sign up for", body: "You get a private ticket page to follow the conversation." },
  ],
};

export const formTexts = {
  heading: "Send us a message",
  required: "All fields are required.",
  name: "Your name",
  email: "Email address",
  subject: "Subject",
  category: "What is it about?",
  categoryPlaceholder: "Choose a topic",
  priority: "How urgent is it?",
  message: "Message",
  messageHint: "What did you do, and what happened? Please leave out passwords and card numbers.",
  honeypot: "Leave this field empty",
  send: "Send message",
  sending: "Sending…",
  sendingStatus: "Sending your message.",
  latestTicket: "Your latest ticket:",
  noScript: `This form needs JavaScript. You can also write to ${company.supportEmail}.`,
  counter: (used: number, limit: number) => `${used.toLocaleString("en")} of ${limit.toLocaleString("en")} characters`,
  fewLeft: (left: number) => `Fewer than ${left} characters left.`,
  overLimit: "The message is too long.",
};

export const validationTexts = {
  summary: (count: number) => (count === 1 ? "There is a problem with one field" : `There are problems with ${count} fields`),
  name: "Enter your name",
  nameLong: (limit: number) => `Shorten your name to ${limit} characters`,
  emailEmpty: "Enter your email address",
  email: "Enter an email address like name@example.com",
  emailLong: (limit: number) => `Use an email address of at most ${limit} characters`,
  subjectShort: (limit: number) => `Enter a subject of at least ${limit} characters`,
  subjectLong: (limit: number) => `Shorten the subject to ${limit} characters`,
  category: "Choose what it is about",
  messageShort: (limit: number) => `Describe your question in at least ${limit} characters`,
  messageLong: (limit: number, over: number) =>
    `Shorten the message by ${over.toLocaleString("en")} to ${limit.toLocaleString("en")} characters`,
};

export const failureTexts = {
  unreachable: "We could not reach support",
  unreachableDetail: "The connection failed before we could confirm that your message arrived.",
  refused: "Your message was not sent",
  refusedDetail: "Support could not accept it just now.",
  kept: "Nothing you typed is lost.",
  sendAgain: "Press “Send message” again in a moment; it cannot create a second ticket.",
  waitSeconds: (seconds: number) => `Wait ${seconds} seconds, then press “Send message” again.`,
  correct: "Correct it below and press “Send message” again.",
  otherwise: "If it keeps happening, write to",
};

export const receiptTexts = {
  heading: "We have your message",
  ticketId: "Your ticket id",
  keepPrivate: "Keep it to yourself: whoever has it can read this ticket.",
  expected: "Expected answer",
  follow: "Follow your ticket",
  another: "Send another message",
  copy: "Copy",
  copied: "Copied",
  copyByHand: "Selected: now press Ctrl+C or ⌘C",
  sentStatus: (ticketId: string) => `Sent. Your ticket id is ${ticketId}.`,
};

export const ticketTexts = {
  eyebrow: "Ticket",
  loading: "Loading your ticket…",
  conversation: "Conversation",
  preparing: "An answer is being prepared",
  sources: "Sources",
  opened: "Opened",
  expected: "Expected answer",
  topic: "Topic",
  priority: "Priority",
  unknownHeading: "We can’t find that ticket",
  unknownBody: "Check that the whole id was copied: it starts with tkt_ and has 26 characters.",
  failedHeading: "We can’t show your ticket right now",
  failedBody: "Your ticket is safe. This page keeps trying by itself.",
  retry: "Try again now",
  stale: "We are having trouble updating this page and keep trying. What you see may be a little old.",
  writeAgain: "Send another message",
  writeInstead: "Write to us instead",
  finderHeading: "Find your ticket",
  finderLabel: "Ticket id",
  finderHint: "It starts with tkt_ and was shown when you sent your message.",
  finderButton: "Show ticket",
};

export const notFoundTexts = {
  heading: "This page does not exist",
  body: "The address may be mistyped or out of date.",
  back: "Go to the support form",
};
