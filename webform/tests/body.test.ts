import { expect, it } from "vitest";
import { splitBody } from "@/lib/body";

it("splits paragraphs at blank lines and keeps the newlines within", () => {
  expect(splitBody("Hello,\r\n\r\none\ntwo")).toEqual([
    { kind: "paragraph", text: "Hello," },
    { kind: "paragraph", text: "one\ntwo" },
  ]);
});

it("reads numbered and dashed lines as lists and keeps their markers as sent", () => {
  expect(splitBody("Do this:\n1. Open it.\n2) Save\n   and close.\n\n3. Sync.\nDone.\n- a")).toEqual([
    { kind: "paragraph", text: "Do this:" },
    {
      kind: "list",
      items: [
        { marker: "1.", text: "Open it." },
        { marker: "2)", text: "Save\nand close." },
        { marker: "3.", text: "Sync." },
      ],
    },
    { kind: "paragraph", text: "Done." },
    { kind: "list", items: [{ marker: "-", text: "a" }] },
  ]);
});

it("leaves figures and dashes inside a sentence alone", () => {
  expect(splitBody("2026.2 is out\n-5 degrees\n1.5 hours")).toEqual([
    { kind: "paragraph", text: "2026.2 is out\n-5 degrees\n1.5 hours" },
  ]);
});

it("makes nothing of an empty body", () => {
  expect(splitBody(" \n")).toEqual([]);
});
