// What the colours of the map mean. Each is a class, so that the style sheet can
// give every theme its own, with a text colour that can be read on it.

// AGE_STEPS and SHARE_STEPS: the upper end of each step, and what to call it.
const AGE_STEPS = [
  [30, '< 30 d'], [90, '30–90 d'], [180, '90–180 d'], [365, '180 d–1 y'], [730, '1–2 y'], [1826, '2–5 y'], [Infinity, '≥ 5 y'],
];
const SHARE_STEPS = [
  [0, 'none'], [0.1, '< 10 %'], [0.25, '10–25 %'], [0.5, '25–50 %'], [0.75, '50–75 %'], [Infinity, '≥ 75 %'],
];

const COLOURS = {
  age: {
    label: 'Age of the newest version',
    of: (node, now) => node.newest ? `age${AGE_STEPS.findIndex(([d]) => now - node.newest < d * DAY)}` : 'unknown',
    legend: () => AGE_STEPS.map(([, text], i) => swatch(`age${i}`, text)),
  },
  noncurrent: {
    label: 'Share of noncurrent bytes',
    of: node => `share${shareStep(node.oldBytes, node.bytes + node.oldBytes)}`,
    legend: () => SHARE_STEPS.map(([, text], i) => swatch(`share${i}`, text)),
  },
};

function shareStep(part, whole) {
  if (part === 0) return 0;
  const share = part / whole;
  return SHARE_STEPS.findIndex(([end], i) => i > 0 && share < end);
}

// legend explains a colour, and the tile that has none.
function legend(colour) {
  return el('div', { class: 'legend' }, el('span', { class: 'legend-title' }, COLOURS[colour].label),
    ...COLOURS[colour].legend(), swatch('rest', 'smaller ones together'));
}
