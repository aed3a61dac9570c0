// Squarified treemaps: tiles as near to squares as their areas allow
// (Bruls, Huizing and van Wijk, 2000).

// squarify divides a rectangle { x, y, w, h } among values, all above zero and
// best the largest first. It returns a rectangle for each, in their order;
// together they fill the whole.
function squarify(values, { x, y, w, h }) {
  const total = values.reduce((a, b) => a + b, 0);
  const scale = w * h / total;
  const areas = values.map(v => v * scale);
  const tiles = [];
  for (let i = 0; i < areas.length;) {
    const side = Math.min(w, h);
    const { end, sum } = fillRow(areas, i, side);
    // The last row takes what is left, so that rounding leaves no gap.
    const last = end === areas.length;
    const depth = last ? Math.max(w, h) : sum / side;
    const wide = w >= h;
    let along = 0;
    for (; i < end; i++) {
      const length = sum > 0 ? side * areas[i] / sum : 0;
      tiles.push(wide
        ? { x, y: y + along, w: depth, h: length }
        : { x: x + along, y, w: length, h: depth });
      along += length;
    }
    if (wide) {
      x += depth;
      w = Math.max(0, w - depth);
    } else {
      y += depth;
      h = Math.max(0, h - depth);
    }
  }
  return tiles;
}

// fillRow takes as many areas as make a row along a side better shaped, and
// tells where the row ends and what it sums up to.
function fillRow(areas, from, side) {
  let sum = 0, end = from, largest = 0, smallest = Infinity, worst = Infinity;
  while (end < areas.length) {
    const [up, down] = [Math.max(largest, areas[end]), Math.min(smallest, areas[end])];
    const next = worstRatio(up, down, sum + areas[end], side);
    if (end > from && next > worst) break;
    [largest, smallest, worst] = [up, down, next];
    sum += areas[end++];
  }
  return { end, sum };
}

// worstRatio is the longest side by the shortest of the worst tile of a row.
function worstRatio(largest, smallest, sum, side) {
  const a = side * side / (sum * sum);
  return Math.max(a * largest, 1 / (a * smallest));
}
