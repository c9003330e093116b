/** Values of security.md §3.3, as they would stand in a string field. `row` is the text of the page; each must be refused. */
export type HostileValue = { readonly row: string; readonly value: string };

const row = (value: string, name = value): HostileValue => ({ row: JSON.stringify(name), value });

export const SHELL: readonly HostileValue[] = [
  row("/private/common/x; rm -rf /"),
  row("$(touch /tmp/p)"),
  row("`id`"),
  row("x\nreboot"),
  row("x' y"),
  row('x" y'),
  row("x&&y"),
  row("x|y"),
  row(">f"),
  row("*?["),
  row("~root"),
  row("-rf"),
  row("--config-dir=/private/users/bob"),
  row("-m"),
];

export const INTERPOLATION: readonly HostileValue[] = [
  row("${oc.env:MVP_INTERNAL_TOKEN}"),
  row("\\${oc.env:MVP_INTERNAL_TOKEN}"),
  row("\\\\\\${oc.env:MVP_INTERNAL_TOKEN}"),
  row("$${oc.env:MVP_INTERNAL_TOKEN}"),
  row("${oc.env:${oc.env:Y,MVP_INTERNAL_TOKEN}}"),
  row("${oc.decode:1}"),
  row("${oc.create:{a:1}}"),
  row("${hydra:runtime.cwd}"),
  row("${trainer.default_local_dir}"),
  row("$HOME"),
];

export const HYDRA: readonly HostileValue[] = [
  row("/private/common/x,/private/users/bob/y"),
  row("[/private/common/a,/private/users/bob/b]"),
  row("{a: b}"),
  row("x trainer.default_local_dir=/private/users/bob"),
  row("x +hydra.run.dir=/etc"),
  row("x ~trainer.logger"),
  row("++a=b"),
  row("hydra/launcher=x"),
  row("glob(*)"),
  row("null"),
];

export const PATHS: readonly HostileValue[] = [
  row("/private/common/../users/bob/a"),
  row("/private/common"),
  row("/private/commonX/a"),
  row("/private//common/./a"),
  row("/private/common/a/"),
  row("/PRIVATE/common"),
  row("/PRIVATE/common/a.parquet"),
  row("/private/common/%2e%2e/users/bob/a.parquet", "%2e%2e"),
  row("/private/common/..%2fusers/bob/a.parquet", "..%2f"),
  row("/private/common/..\\users\\bob\\a.parquet", "..\\"),
  row("/private/common/a\0b"),
  row(`/private/common/${"a/".repeat(2036)}bb.parquet`.padEnd(4097, "x"), "4,097 chars"),
  row(`/private/common/${"a".repeat(248)}.parquet`, "component 256 B"),
];

export const UNICODE: readonly HostileValue[] = [
  row("/private/common/caf\u00e9.parquet", "NFC é"),
  row("/private/common/cafe\u0301.parquet", "NFD é"),
  row("／private／common/a.parquet"),
  row("/private/common/a\u202e.parquet", "U+202E"),
  row("/private/common/a\u200b.parquet", "U+200B"),
  row("/private/common/\u0430dmin.parquet", "homoglyph аdmin"),
  row("/private/common/a\ud800.parquet", "lone \\ud800"),
];

export const HOSTILE_VALUES: readonly HostileValue[] = [...SHELL, ...INTERPOLATION, ...HYDRA, ...PATHS, ...UNICODE];

export const MODEL_IDS: readonly HostileValue[] = [
  row("../../users/bob/ckpt"),
  row("http://169.254.169.254/"),
  row("hdfs://x/y"),
  row("/etc/passwd"),
];
