/** What the architecture rules need to know of one TypeScript file, read from its syntax tree. */
import { parseSync } from "oxc-parser";

export type Import = { readonly specifier: string; readonly line: number; readonly names: readonly string[]; readonly typeOnly: boolean };
/** A use of a name the rules care about: `Date.now`, `process.env`, `setTimeout()`, `import.meta`, `import()`, `await`, `export default`. */
export type Use = { readonly what: string; readonly line: number };
export type SourceFacts = {
  readonly path: string;
  readonly imports: readonly Import[];
  readonly uses: readonly Use[];
  readonly codeLines: number;
};

type Node = { readonly type: string; readonly start: number; readonly [key: string]: unknown };

/** `path` is relative to src. Throws on a file that does not parse, so that no file passes unread. */
export function readFacts(path: string, source: string): SourceFacts {
  const { program, module, comments, errors } = parseSync(path, source, { sourceType: "module" });
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0]?.message}`);
  const lineOf = lineFinder(source);
  const statements = program.body as unknown as readonly Node[];
  const defaults = module.staticExports
    .flatMap((one) => one.entries)
    .filter(({ exportName }) => (exportName.kind as string) === "Default" || exportName.name === "default");
  const uses: Use[] = [
    ...module.importMetas.map((meta) => ({ what: "import.meta", line: lineOf(meta.start) })),
    ...defaults.map((one) => ({ what: "export default", line: lineOf(one.start) })),
  ];
  walk(program as unknown as Node, false, (node, inFunction) => {
    for (const what of usesOf(node, inFunction)) uses.push({ what, line: lineOf(node.start) });
  });
  const imports = [...statements.flatMap((node) => staticImport(node, lineOf)), ...typeImports(program as unknown as Node, lineOf)];
  return { path, imports, uses, codeLines: countCodeLines(source, comments) };
}

function staticImport(node: Node, lineOf: (offset: number) => number): readonly Import[] {
  const from = node["source"] as { readonly value: string } | null | undefined;
  if (!/^(?:Import|ExportNamed|ExportAll)Declaration$/.test(node.type) || from === null || from === undefined) return [];
  const specifiers = (node["specifiers"] ?? []) as readonly Node[];
  const names = specifiers.map((specifier) => (specifier["imported"] as { name?: string } | undefined)?.name ?? "*");
  const eachIsType = specifiers.length > 0 && specifiers.every((one) => one["importKind"] === "type" || one["exportKind"] === "type");
  const typeOnly = node["importKind"] === "type" || node["exportKind"] === "type" || eachIsType;
  return [{ specifier: from.value, line: lineOf(node.start), names, typeOnly }];
}

/** `import("./x.ts").Name` in a type, and TypeScript's `import x = require("y")`. */
function typeImports(program: Node, lineOf: (offset: number) => number): readonly Import[] {
  const found: Import[] = [];
  walk(program, false, (node) => {
    const from = node.type === "TSImportType" ? node["source"] : node.type === "TSExternalModuleReference" ? node["expression"] : null;
    if (from === null || from === undefined) return;
    const specifier = (from as { readonly value: string }).value;
    found.push({ specifier, line: lineOf(node.start), names: ["*"], typeOnly: node.type === "TSImportType" });
  });
  return found;
}

function usesOf(node: Node, inFunction: boolean): readonly string[] {
  switch (node.type) {
    case "ImportExpression":
      return ["import()"];
    case "AwaitExpression":
      return inFunction ? [] : ["await"];
    case "ForOfStatement":
      return node["await"] === true && !inFunction ? ["await"] : [];
    case "MemberExpression":
      return [`${nameOf(node["object"])}.${nameOf(node["property"])}`];
    case "VariableDeclarator":
      return destructured(node);
    case "CallExpression":
      return [`${nameOf(node["callee"])}()`];
    case "NewExpression":
      return nameOf(node["callee"]) === "Date" && (node["arguments"] as readonly unknown[]).length === 0 ? ["new Date()"] : [];
    default:
      return [];
  }
}

/** `const { env } = process` reads `process.env` as well. */
function destructured(node: Node): readonly string[] {
  const pattern = node["id"] as Node;
  if (pattern.type !== "ObjectPattern" || (node["init"] as Node | null)?.type !== "Identifier") return [];
  return (pattern["properties"] as readonly Node[]).map((property) => `${nameOf(node["init"])}.${nameOf(property["key"])}`);
}

/** The name of an identifier or of a literal key; of `globalThis.x`, that of x. */
function nameOf(value: unknown): string {
  const node = value as Node;
  if (node?.type === "Identifier") return String(node["name"]);
  if (node?.type === "Literal") return String(node["value"]);
  if (node?.type === "MemberExpression" && nameOf(node["object"]) === "globalThis") return nameOf(node["property"]);
  return "?";
}

function walk(node: Node, inFunction: boolean, visit: (node: Node, inFunction: boolean) => void): void {
  visit(node, inFunction);
  const inside = inFunction || /^(?:FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
  for (const child of Object.values(node).flat()) {
    if (typeof child === "object" && child !== null && "type" in child) walk(child as Node, inside, visit);
  }
}

function lineFinder(source: string): (offset: number) => number {
  return (offset) => source.slice(0, offset).split("\n").length;
}

function countCodeLines(source: string, comments: readonly { readonly start: number; readonly end: number }[]): number {
  let code = source;
  for (const { start, end } of comments) code = code.slice(0, start) + code.slice(start, end).replaceAll(/[^\n]/g, " ") + code.slice(end);
  return code.split("\n").filter((line) => line.trim() !== "").length;
}
