import type { Metadata, Viewport } from "next";
import { Logo } from "@/components/Logo";
import { company, layoutTexts as texts } from "@/lib/texts";
import "./globals.css";

export const metadata: Metadata = {
  title: { default: texts.title, template: `%s · ${texts.title}` },
  description: texts.description,
  // The ticket id in the address opens the ticket, so no other site may learn it.
  referrer: "no-referrer",
};

export const viewport: Viewport = {
  colorScheme: "light dark",
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#f5f7f5" },
    { media: "(prefers-color-scheme: dark)", color: "#0e1412" },
  ],
};

function Header() {
  return (
    <header className="border-b border-line">
      <div className="mx-auto flex max-w-5xl flex-wrap items-center justify-between gap-x-4 gap-y-1 px-4 py-3 sm:px-6">
        <a href="/" className="flex min-h-8 items-center gap-2.5 rounded font-semibold">
          <Logo />
          {texts.title}
        </a>
        <nav aria-label={texts.navLabel} className="flex gap-5 text-sm">
          <a href="/" className="link-quiet">
            {texts.ask}
          </a>
          <a href="/ticket/" className="link-quiet">
            {texts.find}
          </a>
        </nav>
      </div>
    </header>
  );
}

export default function RootLayout({ children }: { children: React.ReactNode }) {
  return (
    <html lang={company.language}>
      <body className="flex min-h-dvh flex-col">
        <Header />
        <main className="mx-auto w-full max-w-5xl grow px-4 py-8 sm:px-6 sm:py-12">{children}</main>
        <footer className="border-t border-line">
          <p className="mx-auto max-w-5xl px-4 py-5 text-sm text-muted sm:px-6">{texts.footer}</p>
        </footer>
      </body>
    </html>
  );
}
