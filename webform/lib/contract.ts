/** The words that the support API speaks. */

export const CATEGORIES = ["general", "technical", "billing", "feedback", "bug_report"] as const;
export const PRIORITIES = ["low", "medium", "high"] as const;

export type Category = (typeof CATEGORIES)[number];
export type Priority = (typeof PRIORITIES)[number];
export type Channel = "email" | "whatsapp" | "web_form";
export type TicketStatus = "open" | "processing" | "escalated" | "resolved" | "closed";
export type Author = "customer" | "assistant" | "human" | "system";

export type SubmitRequest = {
  name: string;
  email: string;
  subject: string;
  category: Category;
  priority: Priority;
  message: string;
  /** The honeypot: people never see it, so a value means a robot. */
  website: string;
};

export type SubmitReceipt = {
  ticket_id: string;
  message: string;
  estimated_response_time: string;
  status_url: string;
};

export type Source = { title: string; url: string };

export type TicketMessage = {
  id: string;
  author: Author;
  body: string;
  created_at: string;
  sources: Source[];
};

export type Ticket = {
  ticket_id: string;
  subject: string;
  status: TicketStatus;
  channel: Channel;
  category: Category;
  priority: Priority;
  created_at: string;
  updated_at: string;
  estimated_response_time: string;
  messages: TicketMessage[];
};

/** An RFC 9457 problem document, as far as this page reads it. */
export type Problem = {
  title?: string;
  detail?: string;
  errors: { field: string; message: string }[];
};
