import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";

export type VirtualListProps = {
  readonly count: number;
  readonly rowHeight: number;
  readonly row: (index: number) => ReactNode;
  readonly onLook: (first: number, last: number) => void;
};

/** Rows of one height in the page's own scroll; only those in sight are in the document. */
export function WindowList({ count, rowHeight, row, onLook }: VirtualListProps) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => setTop(box.current?.offsetTop ?? 0), []);
  const list = useWindowVirtualizer({ count, estimateSize: () => rowHeight, overscan: 12, scrollMargin: top });
  useEffect(() => list.measure(), [rowHeight, list]);
  const items = list.getVirtualItems();
  const [first, last] = [items.at(0)?.index ?? 0, items.at(-1)?.index ?? 0];
  useEffect(() => onLook(first, last), [first, last, count, onLook]);
  return (
    <div ref={box} role="rowgroup" className="virtual" style={{ height: list.getTotalSize() }}>
      {items.map((item) => (
        <div
          key={item.key}
          role="presentation"
          className="virtual-row"
          style={{ height: rowHeight, transform: `translateY(${item.start - top}px)` }}
        >
          {row(item.index)}
        </div>
      ))}
    </div>
  );
}
