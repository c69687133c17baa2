/** A message body as blocks to lay out. The characters stay those that were sent; only the layout is ours. */

export type ListItem = { marker: string; text: string };
export type Block = { kind: "paragraph"; text: string } | { kind: "list"; items: ListItem[] };

const ITEM = /^\s*(\d{1,3}[.)]|[-*•])\s+(\S.*)$/;
const CONTINUATION = /^\s{2,}\S/;

function addLine(blocks: Block[], line: string, joined: boolean): void {
  const last = blocks.at(-1);
  const item = ITEM.exec(line);
  if (item) {
    const entry = { marker: item[1] ?? "", text: item[2] ?? "" };
    // A blank line between two items keeps them one list.
    if (last?.kind === "list") last.items.push(entry);
    else blocks.push({ kind: "list", items: [entry] });
    return;
  }
  const lastItem = joined && last?.kind === "list" && CONTINUATION.test(line) ? last.items.at(-1) : undefined;
  if (lastItem) lastItem.text += `\n${line.trim()}`;
  else if (joined && last?.kind === "paragraph") last.text += `\n${line}`;
  else blocks.push({ kind: "paragraph", text: line });
}

export function splitBody(body: string): Block[] {
  const blocks: Block[] = [];
  let joined = false;
  for (const line of body.replace(/\r\n?/g, "\n").split("\n")) {
    if (line.trim() === "") {
      joined = false;
      continue;
    }
    addLine(blocks, line, joined);
    joined = true;
  }
  return blocks;
}
