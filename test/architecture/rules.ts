/** The rules of ARCHITECTURE.md as functions over facts of files. Paths are relative to src. */
import { posix } from "node:path";
import type { Import, SourceFacts } from "./source-facts.ts";

type Room = {
  /** Rooms, or single files of rooms, that may be imported. */
  readonly to: readonly string[];
  /** May be imported as types only. */
  readonly types?: readonly string[];
  /** What it may use of Node and npm; `any` = both. */
  readonly outside: "none" | "pure" | "any";
};

/** The arrows. `pure` = npm packages, and of Node what does no I/O. */
export const ROOMS: { readonly [room: string]: Room } = {
  domain: { to: [], outside: "none" },
  contract: { to: ["domain"], outside: "pure" },
  control: { to: ["domain"], outside: "pure" },
  ray: { to: ["domain", "control/ports.ts", "control/node-ports.ts"], outside: "any" },
  store: { to: ["domain", "control/ports.ts", "control/file-ports.ts", "control/node-ports.ts"], outside: "any" },
  storage: { to: ["domain", "control/ports.ts", "control/file-ports.ts", "control/node-ports.ts"], outside: "any" },
  pool: { to: ["domain", "control/ports.ts", "control/node-ports.ts"], outside: "any" },
  http: { to: ["contract", "control", "domain"], outside: "any" },
  cli: { to: ["contract", "domain/task-state.ts"], types: ["domain"], outside: "any" },
  config: { to: ["domain"], outside: "any" },
  main: { to: ["domain", "contract", "control", "ray", "store", "storage", "http", "pool", "cli", "config"], outside: "any" },
};

const PURE_NODE = ["node:buffer", "node:crypto", "node:events", "node:stream", "node:string_decoder", "node:url", "node:util", "node:zlib"];

/** Packages that one room hides from the rest. `main` composes, and so may name them too. */
const PACKAGE_HOMES: { readonly [name: string]: readonly string[] } = {
  fastify: ["http"],
  kysely: ["store"],
  pg: ["store"],
  "node:sqlite": ["store"],
  commander: ["cli"],
};

const CLOCK_USES =
  /^(?:Date\.now|new Date\(\)|Date\(\)|performance\.now|process\.(?:hrtime|uptime)|Math\.random|crypto\.randomUUID|randomUUID\(\)|setTimeout\(\)|setInterval\(\))$/;
const CLOCK_IMPORTS: { readonly [module: string]: RegExp } = {
  "node:timers": /./,
  "node:timers/promises": /^(?:setTimeout|setInterval|scheduler|\*)$/,
  "node:crypto": /^randomUUID$/,
  "node:perf_hooks": /^(?:performance|\*)$/,
};
const BANNED_NAMES = /(?:^|-)(?:utils?|helpers|common|misc|manager|service|data|info)$/;
const MAX_CODE_LINES = 300;

/** Why a file may break a rule; one that no longer needs its exception is a violation as well. */
export type Exceptions = { readonly [path: string]: { readonly rule: Rule; readonly reason: string } };
export type Rule = "arrow" | "outside" | "clock" | "environment" | "executable" | "export" | "name" | "size" | "room" | "cycle";
export type Violation = { readonly rule: Rule; readonly text: string };

/** Every broken rule of these files, each with file and line. */
export function violations(files: readonly SourceFacts[], exceptions: Exceptions): readonly Violation[] {
  const all = [...files.flatMap((file) => fileViolations(file)), ...cycles(files)];
  const excused = (violation: Violation): boolean => exceptions[pathOf(violation)]?.rule === violation.rule;
  const stale = Object.entries(exceptions)
    .filter(([path, { rule }]) => !all.some((violation) => violation.rule === rule && pathOf(violation) === path))
    .map(([path, { rule }]): Violation => ({ rule, text: `${path}: its exception from "${rule}" is not needed any more` }));
  return [...all.filter((violation) => !excused(violation)), ...stale];
}

function pathOf(violation: Violation): string {
  return violation.text.split(":")[0] ?? "";
}

function fileViolations(file: SourceFacts): readonly Violation[] {
  const everywhere = [...nameViolations(file), ...moduleFormViolations(file)];
  // Tests compose whatever they need; the rules below are about what ships.
  if (file.path.endsWith(".test.ts")) return everywhere;
  return [...everywhere, ...arrowViolations(file), ...clockViolations(file), ...environmentViolations(file), ...sizeViolations(file)];
}

function nameViolations(file: SourceFacts): readonly Violation[] {
  const parts = file.path.replace(/(?:\.test)?\.ts$/, "").split("/");
  const bad = parts.filter((part) => BANNED_NAMES.test(part) || (/(?:^|-)handlers?$/.test(part) && parts[0] !== "http"));
  return bad.map((part) => ({ rule: "name", text: `${file.path}: "${part}" says nothing; name the file after its one idea` }));
}

function moduleFormViolations(file: SourceFacts): readonly Violation[] {
  const isTest = file.path.endsWith(".test.ts");
  return file.uses.flatMap(({ what, line }): readonly Violation[] => {
    const at = `${file.path}:${line}`;
    if (what === "export default") return [{ rule: "export", text: `${at}: default export; exports have names` }];
    if (!["import.meta", "import()", "await"].includes(what) || isTest) return [];
    if (what === "import.meta" && file.path === "main/assets.ts") return [];
    return [{ rule: "executable", text: `${at}: ${what} at module level does not work in the single executable, one CommonJS file` }];
  });
}

function arrowViolations(file: SourceFacts): readonly Violation[] {
  const name = roomOf(file.path);
  const room = ROOMS[name];
  if (room === undefined) return [{ rule: "room", text: `${file.path}: "${name}" is no room of ARCHITECTURE.md` }];
  return file.imports.flatMap((one): readonly Violation[] => {
    const at = `${file.path}:${one.line}`;
    const target = targetOf(file.path, one.specifier);
    if (target === null)
      return mayUse(name, room, one.specifier) ? [] : [{ rule: "outside", text: `${at}: ${name} may not use ${one.specifier}` }];
    if (mayImport(name, room, target, one)) return [];
    return [{ rule: "arrow", text: `${at}: ${name} may not import ${one.typeOnly ? "types of " : ""}${target}` }];
  });
}

function mayImport(name: string, room: Room, target: string, one: Import): boolean {
  if (target.startsWith("..") || target.endsWith(".test.ts")) return false;
  if (roomOf(target) === name) return true;
  const matches = (entry: string): boolean => target === entry || roomOf(target) === entry;
  return room.to.some(matches) || (one.typeOnly && (room.types ?? []).some(matches));
}

function mayUse(name: string, room: Room, specifier: string): boolean {
  const homes = PACKAGE_HOMES[specifier.startsWith("@fastify/") ? "fastify" : specifier];
  if (homes !== undefined && name !== "main") return homes.includes(name);
  if (room.outside === "any") return true;
  return room.outside === "pure" && (!specifier.startsWith("node:") || PURE_NODE.includes(specifier));
}

function clockViolations(file: SourceFacts): readonly Violation[] {
  if (file.path === "main/clock.ts") return [];
  const used = file.uses.filter(({ what }) => CLOCK_USES.test(what));
  const imported = file.imports.flatMap(({ specifier, names, line, typeOnly }) => {
    const pattern = typeOnly ? undefined : CLOCK_IMPORTS[specifier];
    return names.filter((name) => pattern?.test(name)).map((name) => ({ what: `${name} of ${specifier}`, line }));
  });
  return [...used, ...imported].map(({ what, line }) => ({
    rule: "clock",
    text: `${file.path}:${line}: ${what}; only main/clock.ts touches time, timers and randomness: take Clock or Ids`,
  }));
}

function environmentViolations(file: SourceFacts): readonly Violation[] {
  if (["main", "config"].includes(roomOf(file.path))) return [];
  const used = file.uses.filter(({ what }) => what === "process.env");
  const imported = file.imports.filter(
    ({ specifier, names }) => specifier === "node:process" && names.some((name) => name === "env" || name === "*"),
  );
  return [...used, ...imported].map(({ line }) => ({
    rule: "environment",
    text: `${file.path}:${line}: only main/ and config/ read process.env`,
  }));
}

function sizeViolations(file: SourceFacts): readonly Violation[] {
  if (file.codeLines <= MAX_CODE_LINES) return [];
  return [
    { rule: "size", text: `${file.path}: ${file.codeLines} lines of code, more than ${MAX_CODE_LINES}: it holds more than one idea` },
  ];
}

/** Import cycles between files, types aside: they make the order of initialisation matter. */
function cycles(files: readonly SourceFacts[]): readonly Violation[] {
  const edges = new Map(files.map((file) => [file.path, valueTargets(file)]));
  const done = new Set<string>();
  const found: Violation[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const seen = trail.indexOf(path);
    if (seen >= 0) found.push({ rule: "cycle", text: `${path}: import cycle ${[...trail.slice(seen), path].join(" → ")}` });
    if (seen >= 0 || done.has(path)) return;
    for (const target of edges.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return found;
}

function valueTargets(file: SourceFacts): readonly string[] {
  return file.imports.filter((one) => !one.typeOnly).flatMap((one) => targetOf(file.path, one.specifier) ?? []);
}

/** The path in src that a relative specifier names (`..` first when it leaves src); null for Node and npm. */
function targetOf(path: string, specifier: string): string | null {
  return specifier.startsWith(".") ? posix.normalize(posix.join(posix.dirname(path), specifier)) : null;
}

function roomOf(path: string): string {
  return path.split("/")[0] ?? "";
}
