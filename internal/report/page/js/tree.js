// The tree of prefixes.

// The numbers of a part, in the order in which the file has them.
const PART = ['objects', 'bytes', 'cost', 'oldVersions', 'oldBytes', 'oldCost', 'markers'];

function readPart(array, at) {
  const part = {};
  PART.forEach((name, i) => { part[name] = array[at + i]; });
  return part;
}

// readNode turns an array of the file into a node: name, path, parent, newest,
// the numbers of its part, children, and rest, which is a node without children.
function readNode(array, parent) {
  const [name, newest] = array;
  const node = { name, parent, newest, ...readPart(array, 2), path: parent ? parent.path + name : name };
  const after = 2 + PART.length;
  node.children = (array[after] || []).map(child => readNode(child, node));
  const rest = array[after + 1];
  node.rest = rest ? { names: rest[0], ...readPart(rest, 1), parent: node } : null;
  return node;
}

// MEASURES are what the area of a tile can mean.
const MEASURES = {
  bytes: { label: 'Bytes', of: n => n.bytes + n.oldBytes, show: bytes },
  objects: { label: 'Objects', of: n => n.objects, show: count },
  noncurrent: { label: 'Noncurrent', of: n => n.oldBytes, show: bytes },
  cost: { label: 'Cost', of: n => n.cost + n.oldCost, show: dollars },
};

// lookUp finds the node with a path, or the deepest above it: what a link names
// may be too small for the tree.
function lookUp(root, path) {
  if (!path.startsWith(root.path)) return root;
  let node = root;
  while (node.path !== path) {
    const next = node.children.find(c => c.children.length && path.startsWith(c.path));
    if (!next) return node;
    node = next;
  }
  return node;
}

// ancestors lists a node and all above it, the root first.
function ancestors(node) {
  const line = [];
  for (let n = node; n; n = n.parent) line.unshift(n);
  return line;
}

// flatten lists a node and all below it, without the rests.
function flatten(node, into = []) {
  into.push(node);
  node.children.forEach(c => flatten(c, into));
  return into;
}

// isKey tells keys from prefixes, which end at a slash.
function isKey(node) {
  return node.parent !== null && !node.name.endsWith('/');
}

// label is what to call a node: the root may have no name, and the key that is
// its parent's prefix (the folder marker of a/ is the key a/) adds nothing to it.
function label(node, bucket) {
  if (!node.parent) return node.name || bucket;
  return node.name || '(folder marker)';
}
