import { expect, test } from "vitest";
import { limitsFrom } from "./machine-facts.ts";
import { mountOf } from "./storage-facts.ts";

const MOUNTS = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:40 / /private rw,relatime shared:9 - nfs4 10.0.0.9:/export rw,vers=4.2,soft,nocto
31 22 0:41 / /private/common\\040two rw - tmpfs tmpfs rw
32 22 0:42 / /priv rw - xfs /dev/sdb rw
`;

test("the mount of a path is the longest that holds it, part by part, with the options of both columns", () => {
  expect(mountOf("/private/users", MOUNTS)).toMatchObject({ at: "/private", type: "nfs4" });
  expect(mountOf("/private/users", MOUNTS)?.options).toEqual(expect.arrayContaining(["rw", "relatime", "soft", "nocto"]));
  expect(mountOf("/private/common two/x", MOUNTS)?.type).toBe("tmpfs");
  expect(mountOf("/privateer", MOUNTS)?.at).toBe("/");
});

test("soft limits are read, and unlimited is a number too", () => {
  const text = `Limit                     Soft Limit           Hard Limit           Units
Max processes             unlimited            unlimited            processes
Max open files            1024                 1048576              files
`;
  expect(limitsFrom(text)).toEqual({ openFiles: 1024, processes: Number.POSITIVE_INFINITY });
});
