export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" width="22" height="22" aria-hidden="true" focusable="false">
      <rect x="3" y="17" width="7" height="12" rx="1.500" fill="currentColor" />
      <rect x="12.500" y="10" width="7" height="19" rx="1.500" fill="currentColor" opacity=".75" />
      <rect x="22" y="3" width="7" height="26" rx="1.500" fill="currentColor" opacity=".5" />
    </svg>
  );
}
