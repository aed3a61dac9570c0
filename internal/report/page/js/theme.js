// Light or dark: as the system has it, until a person says otherwise.

const THEME = 'cooper-theme';

// themeButton toggles the theme and remembers it where the browser allows that.
function themeButton() {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const root = document.documentElement;
  const isDark = () => root.dataset.theme ? root.dataset.theme === 'dark' : system.matches;
  const button = el('button', { type: 'button', class: 'theme', onclick: () => {
    const theme = isDark() ? 'light' : 'dark';
    // Back at what the system has, the page follows the system again.
    if ((theme === 'dark') === system.matches) delete root.dataset.theme;
    else root.dataset.theme = theme;
    remember(THEME, root.dataset.theme);
    say();
  } });
  const say = () => { button.textContent = isDark() ? 'Light theme' : 'Dark theme'; };
  const kept = remembered(THEME);
  if (kept === 'light' || kept === 'dark') root.dataset.theme = kept;
  system.addEventListener('change', say);
  say();
  return button;
}

// Storage throws where it is switched off: nothing is lost but a preference.
function remember(name, value) {
  try {
    if (value) localStorage.setItem(name, value);
    else localStorage.removeItem(name);
  } catch { /* the theme is for this visit */ }
}

function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
