/** Whether a path below src names an asset: neither code nor what a tool left behind, and never a way out of the folder. */
export function isAssetFile(name: string): boolean {
  const parts = name.split("/");
  if (parts.some((part) => part === "" || part.startsWith(".") || part === "__pycache__")) return false;
  return parts.length > 1 && !/\.(?:[cm]?[jt]s|map|pyc)$/.test(name);
}
