/**
 * Whether a name is that of an asset: a path below src that is neither code nor what a tool left behind, or a file of the built web page
 * (`web/index.html`), and never a way out of the folder.
 */
export function isAssetFile(name: string): boolean {
  const parts = name.split("/");
  if (parts.some((part) => part === "" || part.startsWith(".") || part === "__pycache__") || parts.length < 2) return false;
  // The page's scripts are what the browser gets, not code of this program; their maps are for its authors.
  return parts[0] === WEB ? !name.endsWith(".map") : !/\.(?:[cm]?[jt]s|map|pyc)$/.test(name);
}

/** The first part of the names of the web page's files. In a checkout they are built into dist/web, beside src. */
export const WEB = "web";
