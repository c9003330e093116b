/** Small choices of this browser (theme, language); a browser that keeps nothing is no error. */
export function remembered(name: string): { readonly get: () => string | null; readonly set: (value: string) => void } {
  const key = `verlpool.${name}`;
  return {
    get: () => {
      try {
        return localStorage.getItem(key);
      } catch {
        return null;
      }
    },
    set: (value) => {
      try {
        localStorage.setItem(key, value);
      } catch {
        // Private windows may refuse; the choice then holds for this page.
      }
    },
  };
}
