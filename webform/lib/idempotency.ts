import { readSession, writeSession } from "./session";

const KEY = "support-idempotency";

/** A random UUID; `crypto.randomUUID` exists on https and localhost only, `getRandomValues` everywhere. */
function mintKey(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = new DataView(crypto.getRandomValues(new Uint8Array(16)).buffer);
  bytes.setUint8(6, (bytes.getUint8(6) & 0x0f) | 0x40); // version 4
  bytes.setUint8(8, (bytes.getUint8(8) & 0x3f) | 0x80); // RFC 9562 variant
  const hex = Array.from({ length: 16 }, (_, at) => bytes.getUint8(at).toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * The key for this request body: the same across retries and reloads until it is forgotten.
 * A changed body gets a new key, because the server refuses a known key with another body.
 */
export function keyFor(body: string): string {
  try {
    const kept = JSON.parse(readSession(KEY) ?? "") as { key?: unknown; body?: unknown };
    if (kept.body === body && typeof kept.key === "string") return kept.key;
  } catch {
    // Nothing kept, or not ours: mint one below.
  }
  const key = mintKey();
  writeSession(KEY, JSON.stringify({ key, body }));
  return key;
}

export function forgetKey(): void {
  writeSession(KEY, null);
}
