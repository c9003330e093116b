/** `npm run docs:matrix`: writes the authorization matrix of the tests into docs/authorization.md. The unit suite fails when the page is behind. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderMatrix } from "../test/support/authorization-matrix.ts";
import { root } from "./steps.ts";

const page = join(root, "docs", "authorization.md");
const [before, , after] = readFileSync(page, "utf8").split(/^<!-- matrix -->$/m);
if (before === undefined || after === undefined) throw new Error("docs/authorization.md has lost its two <!-- matrix --> marks");
writeFileSync(page, `${before}<!-- matrix -->\n\n${renderMatrix()}\n\n<!-- matrix -->${after}`);
