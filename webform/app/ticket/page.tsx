import type { Metadata } from "next";
import { TicketPage } from "@/components/TicketPage";
import { ticketTexts } from "@/lib/texts";

export const metadata: Metadata = { title: ticketTexts.eyebrow, robots: { index: false } };

export default function Page() {
  return (
    <div className="mx-auto max-w-3xl">
      <TicketPage />
    </div>
  );
}
