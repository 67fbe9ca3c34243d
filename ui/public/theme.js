// Applies the stored theme before the first paint. A file of its own, loaded before the style sheet
// is used, because the server's policy allows no inline script. The key is `src/app/theme.ts`'s.
(function () {
  try {
    var theme = localStorage.getItem('cipher.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch (forbidden) {
    // Storage may be forbidden; the system's theme is then the theme.
  }
})();
