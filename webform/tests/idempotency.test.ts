import { expect, it, vi } from "vitest";
import { forgetKey, keyFor } from "@/lib/idempotency";

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

it("gives the same body the same key until it is forgotten", () => {
  const key = keyFor("one");
  expect(key).toMatch(UUID_V4);
  expect(keyFor("one")).toBe(key);
  forgetKey();
  expect(keyFor("one")).not.toBe(key);
});

it("gives a changed body a new key", () => {
  expect(keyFor("one")).not.toBe(keyFor("two"));
});

it("mints a key on plain http, where crypto.randomUUID is missing", () => {
  vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
  expect(keyFor("one")).toMatch(UUID_V4);
});

it("keeps the key in memory where the browser blocks storage", () => {
  vi.spyOn(Storage.prototype, "setItem").mockImplementation(() => {
    throw new DOMException("blocked", "SecurityError");
  });
  expect(keyFor("one")).toBe(keyFor("one"));
  forgetKey();
});
