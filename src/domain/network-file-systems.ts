/** `statfs(2)` f_type of file systems whose files other machines may open too (linux/magic.h and each project's own headers). */
const NETWORK_TYPES: ReadonlyMap<number, string> = new Map([
  [0x6969, "nfs"],
  [0x517b, "smb"],
  [0xfe534d42, "smb2"],
  [0xff534d42, "cifs"],
  [0x65735546, "fuse"],
  [0x47504653, "gpfs"],
  [0x0bd00bd0, "lustre"],
  [0x00c36400, "ceph"],
  [0x01021997, "9p"],
  [0x5346414f, "afs"],
  [0x6b414653, "kafs"],
  [0x73757245, "coda"],
  [0x19830326, "beegfs"],
  [0x20030528, "orangefs"],
  [0xaad7aaea, "panfs"],
  [0x7461636f, "ocfs2"],
  [0x01161970, "gfs2"],
  [0x786f4256, "vboxsf"],
  [0x6a656a63, "fakeowner"],
]);

/** The network file system's name, or null for a local one. A type that is not known counts as local. */
export function networkFileSystem(type: number): string | null {
  // Some kernels give f_type as a signed 32-bit number (smb2 is then negative).
  return NETWORK_TYPES.get(type >>> 0) ?? null;
}
