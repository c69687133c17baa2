import { describe, expect, it } from "vitest";
import { EMPTY_DRAFT, type Draft } from "@/lib/draft";
import { validate } from "@/lib/validation";

const GOOD: Draft = {
  name: "Mara",
  email: "mara@studio.example",
  subject: "Sync",
  category: "technical",
  priority: "medium",
  message: "Orders stopped.",
};

describe("validate", () => {
  it("accepts a complete draft", () => {
    expect(validate(GOOD)).toEqual({});
  });

  it("names every empty field but the priority, which has a default", () => {
    expect(Object.keys(validate(EMPTY_DRAFT))).toEqual(["name", "email", "category", "subject", "message"]);
  });

  it.each<[keyof Draft, string, boolean]>([
    ["name", "n".repeat(120), true],
    ["name", "n".repeat(121), false],
    ["name", "   ", false],
    ["subject", "abc", true],
    ["subject", " ab ", false],
    ["subject", "s".repeat(200), true],
    ["subject", "s".repeat(201), false],
    ["message", "m".repeat(10), true],
    ["message", "m".repeat(9), false],
    ["message", "m".repeat(5000), true],
    ["message", "m".repeat(5001), false],
    ["message", "\u{1F33F}".repeat(5000), true],
    ["email", "a@b.example", true],
    ["email", "a@b", false],
    ["email", "a b@c.example", false],
    ["email", "a@@b.example", false],
    ["email", "a@b..example", false],
    ["email", `${"a".repeat(246)}@b.example`.slice(-254), true],
    ["email", `${"a".repeat(246)}@b.example`, false],
  ])("judges %s of %j as %s", (field, value, good) => {
    expect(validate({ ...GOOD, [field]: value })[field] === undefined).toBe(good);
  });

  it("says by how much a message is too long", () => {
    expect(validate({ ...GOOD, message: "m".repeat(5012) }).message).toContain("by 12");
  });
});
