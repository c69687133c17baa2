import { splitBody, type Block } from "@/lib/body";

function BlockView({ block }: { block: Block }) {
  if (block.kind === "paragraph") return <p className="whitespace-pre-wrap">{block.text}</p>;
  return (
    <ul className="space-y-1.5">
      {block.items.map((item, index) => (
        <li key={index} className="flex gap-2">
          <span className="min-w-5 shrink-0 tabular-nums text-muted">{item.marker}</span>
          <span className="min-w-0 whitespace-pre-wrap">{item.text}</span>
        </li>
      ))}
    </ul>
  );
}

/** A message as plain text: nothing in it is ever markup. */
export function MessageBody({ body }: { body: string }) {
  return (
    <div className="space-y-3 wrap-anywhere">
      {splitBody(body).map((block, index) => (
        <BlockView key={index} block={block} />
      ))}
    </div>
  );
}
