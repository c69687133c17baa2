"use client";

import { useRef, useState } from "react";
import { receiptTexts as texts } from "@/lib/texts";

/** A ticket id with a button that copies it, or selects it where the browser forbids copying. */
export function CopyableId({ id }: { id: string }) {
  const code = useRef<HTMLElement>(null);
  const [outcome, setOutcome] = useState("");

  async function copy() {
    try {
      await navigator.clipboard.writeText(id);
      setOutcome(texts.copied);
    } catch {
      // No clipboard on plain http, or permission refused.
      if (code.current) window.getSelection()?.selectAllChildren(code.current);
      setOutcome(texts.copyByHand);
    }
  }

  return (
    <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
      <code ref={code} className="break-all font-mono text-[0.95em] font-semibold">
        {id}
      </code>
      <button type="button" className="button button-small" onClick={copy}>
        {texts.copy}
      </button>
      <span role="status" className="text-sm text-muted">
        {outcome}
      </span>
    </span>
  );
}
