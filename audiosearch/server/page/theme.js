// Dark or light: as the system has it, or as chosen.

const ORDER = ["auto", "dark", "light"];

/**
 * @param {HTMLButtonElement} button
 * @param {() => void} onChange
 */
export function offerThemes(button, onChange) {
  const root = document.documentElement;
  const show = () => {
    const label = `Theme: ${root.dataset["theme"] ?? "auto"}`;
    button.setAttribute("aria-label", label);
    button.title = label;
  };
  button.addEventListener("click", () => {
    const now = root.dataset["theme"] ?? "auto";
    const next = ORDER[(ORDER.indexOf(now) + 1) % ORDER.length] ?? "auto";
    if (next === "auto") {
      delete root.dataset["theme"];
      localStorage.removeItem("theme");
    } else {
      root.dataset["theme"] = next;
      localStorage.setItem("theme", next);
    }
    show();
    onChange();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
  show();
}
