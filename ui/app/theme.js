// Sets the chosen colors before the page is painted. It is loaded as a plain
// script in the head, everything else as modules.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("thalassa.theme");
  } catch {
    // Storage is forbidden: the system's colors.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
