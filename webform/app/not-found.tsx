import { notFoundTexts as texts } from "@/lib/texts";

export default function NotFound() {
  return (
    <div className="mx-auto max-w-xl">
      <h1 className="text-2xl font-semibold">{texts.heading}</h1>
      <p className="mt-2 text-muted">{texts.body}</p>
      <p className="mt-4">
        <a className="link" href="/">
          {texts.back}
        </a>
      </p>
    </div>
  );
}
