// Before the first paint: the theme that was chosen, so that nothing flashes.
(() => {
  const theme = localStorage.getItem("theme");
  if (theme === "dark" || theme === "light") document.documentElement.setAttribute("data-theme", theme);
})();
