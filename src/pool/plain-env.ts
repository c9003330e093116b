/** What of this program's environment a child may have: a list of what is let through, so that a secret under a new name stays here. */

export type Environment = { readonly [name: string]: string | undefined };

type Passing = { readonly names: readonly string[]; readonly prefixes: readonly string[] };

const PLAIN: Passing = { names: ["HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "LD_LIBRARY_PATH"], prefixes: ["LC_"] };

const GPU: Passing = {
  names: ["CUDA_VISIBLE_DEVICES", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"],
  prefixes: ["NCCL_", "GLOO_"],
};

/** The way out, and pip's own settings: an index's password in them is for pip. */
const DOWNLOAD: Passing = {
  names: [
    ...["http_proxy", "https_proxy", "all_proxy", "no_proxy"].flatMap((name) => [name, name.toUpperCase()]),
    "PATH",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "CC",
    "CXX",
    "CFLAGS",
    "CXXFLAGS",
    "LDFLAGS",
    "MAX_JOBS",
    "OMP_NUM_THREADS",
  ],
  prefixes: ["PIP_"],
};

const HUB: Passing = { names: ["HF_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT"], prefixes: ["HF_HUB_"] };

/** A prefix lets nothing through that calls itself a secret (NCCL_…_KEY). */
const SECRET = /KEY|TOKEN|SECRET|PASS|CREDENTIAL|AUTH/i;

/** For Ray, and so for every job. Without PATH. */
export function rayPlainEnv(environment: Environment): Record<string, string> {
  return passed(environment, [PLAIN, GPU]);
}

/** For what `prepare` runs: pip, and the Python that it installed. */
export function prepareEnv(environment: Environment): Record<string, string> {
  return passed(environment, [PLAIN, GPU, DOWNLOAD]);
}

/** For what pulls from the hub, which alone may log in there. */
export function hubEnv(environment: Environment): Record<string, string> {
  return passed(environment, [PLAIN, DOWNLOAD, HUB]);
}

/** For OpenSSH's client: where its configuration, its agent and its helper programs are. */
export function sshEnv(environment: Environment): Record<string, string> {
  return passed(environment, [PLAIN, { names: ["PATH", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "KRB5CCNAME"], prefixes: [] }]);
}

/** For a process of our own that is given the rest another way (main/local/hidden-environment.ts). */
export function visibleEnv(environment: Environment): Record<string, string> {
  const own = ["PATH", "TMPDIR", "NODE_V8_COVERAGE", "NODE_COMPILE_CACHE", "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS"];
  return passed(environment, [PLAIN, { names: own, prefixes: [] }]);
}

function passed(environment: Environment, passing: readonly Passing[]): Record<string, string> {
  const names = new Set(passing.flatMap((one) => one.names));
  const prefixes = passing.flatMap((one) => one.prefixes);
  const isPassed = (name: string): boolean =>
    names.has(name) || (prefixes.some((prefix) => name.startsWith(prefix)) && (name.startsWith("PIP_") || !SECRET.test(name)));
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => (value !== undefined && isPassed(name) ? [[name, value]] : [])),
  );
}
