import { SupportForm } from "@/components/SupportForm";
import { introTexts as texts } from "@/lib/texts";

function Point({ title, body }: { title: string; body: string }) {
  return (
    <li className="flex gap-3">
      <svg aria-hidden="true" viewBox="0 0 20 20" className="mt-0.5 size-5 shrink-0 fill-none stroke-accent stroke-2">
        <path d="m4 10.5 4 4 8-9" strokeLinecap="round" strokeLinejoin="round" />
      </svg>
      <div>
        <p className="font-medium">{title}</p>
        <p className="mt-0.5 text-sm text-muted">{body}</p>
      </div>
    </li>
  );
}

export default function HomePage() {
  return (
    <div className="grid gap-8 lg:grid-cols-[5fr_8fr] lg:gap-14">
      <div className="lg:pt-4">
        <h1 className="text-3xl font-semibold tracking-tight text-balance sm:text-4xl">{texts.heading}</h1>
        <p className="mt-3 text-lg text-muted">{texts.lead}</p>
        <ul className="mt-8 hidden space-y-5 sm:block">
          {texts.points.map((point) => (
            <Point key={point.title} {...point} />
          ))}
        </ul>
      </div>
      <div className="card">
        <SupportForm />
      </div>
    </div>
  );
}
