/** Where a secret lies: every file below some directories, by bytes, also in the forms a program may have given it. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The secret, its random part without prefix and checksum, and both in base64 (whatever stood before them), hex and UTF-16. */
export function formsOf(secret: string): readonly Buffer[] {
  const parts = [secret, ...(/^mvp_[a-z]_([0-9A-Za-z]{30})[0-9A-Za-z]{6}$/.exec(secret)?.slice(1) ?? [])];
  return parts.flatMap((part) => {
    const bytes = Buffer.from(part);
    return [bytes, Buffer.from(bytes.toString("hex")), Buffer.from(part, "utf16le"), ...base64Forms(bytes)];
  });
}

/** Base64 of the bytes at each of three alignments, without the characters that also depend on the neighbours. */
function base64Forms(bytes: Buffer): readonly Buffer[] {
  return [0, 1, 2].flatMap((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .replaceAll("=", "");
    const inner = text.slice(shift === 0 ? 0 : shift + 1, text.length - 2);
    return [Buffer.from(inner), Buffer.from(inner.replaceAll("+", "-").replaceAll("/", "_"))];
  });
}

export function holds(content: Buffer, secret: string): boolean {
  return formsOf(secret).some((form) => content.includes(form));
}

/** All files below the directories, links not followed; those that vanish meanwhile are left out. */
export function filesBelow(directories: readonly string[]): readonly string[] {
  return directories.flatMap((directory) =>
    readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
}

/** The files that hold any of the secrets, as `file: which`, sorted. `secrets`: name → secret. */
export function filesWithSecrets(directories: readonly string[], secrets: { readonly [name: string]: string }): readonly string[] {
  const forms = Object.entries(secrets).map(([name, secret]) => ({ name, forms: formsOf(secret) }));
  return filesBelow(directories)
    .flatMap((file) => {
      const content = readIfThere(file);
      return forms.filter((one) => one.forms.some((form) => content.includes(form))).map(({ name }) => `${file}: ${name}`);
    })
    .toSorted();
}

function readIfThere(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
