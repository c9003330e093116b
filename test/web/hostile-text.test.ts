/** Text that others wrote: nothing of it may act, hide or reorder (security.md §Output). */
import { expect, test } from "vitest";
import { lastState, piecesOf } from "../../web/src/log/ansi.ts";
import { visible } from "../../web/src/text/visible.ts";

test.each([
  ["\u001b]0;pwn\u0007", "^[]0;pwn^G"],
  ["\u001b[2J", "^[[2J"],
  ["\u001b]52;c;cHdu\u0007", "^[]52;c;cHdu^G"],
  ["\u001b]8;;http://evil\u0007", "^[]8;;http://evil^G"],
  ["a\rb", "a^Mb"],
  ["a\u202eb", "a‹U+202E›b"],
  ["a\u200bb\ufeff", "a‹U+200B›b‹U+FEFF›"],
  ["\ud800x", "‹U+D800›x"],
  ["\u0085\u007f", "‹U+0085›^?"],
  ["日本 é 😀 <img src=x onerror=alert(1)>", "日本 é 😀 <img src=x onerror=alert(1)>"],
])("%j is shown as %j", (text, shown) => {
  expect(visible(text)).toBe(shown);
});

test("colours are obeyed and nothing else of a control sequence is", () => {
  expect(
    piecesOf("\u001b[31mred\u001b[0m plain \u001b[1;92mbold\u001b[22m green\u001b[39m\u001b[2J\u001b[38;5;200mfar\u001b[38;2;1;2;3m"),
  ).toEqual([
    { text: "red", style: "ansi-1" },
    { text: " plain ", style: "" },
    { text: "bold", style: "ansi-10 ansi-bold" },
    { text: " green", style: "ansi-10" },
    { text: "^[[2J", style: "" },
    { text: "far", style: "" },
  ]);
});

test("a line that was written over shows its last state and how often it was", () => {
  expect(lastState("10%\r60%\r100%\r")).toEqual({ text: "100%", overwritten: 2 });
  expect(lastState("plain")).toEqual({ text: "plain", overwritten: 0 });
});
