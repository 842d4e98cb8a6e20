// Sets the chosen color scheme before the page is painted. It is a plain script in
// the head; everything else is a module.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("thalassa.theme");
  } catch {
    // Storage is forbidden: use the system's color scheme.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
