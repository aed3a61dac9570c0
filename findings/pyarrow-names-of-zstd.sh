#!/usr/bin/env bash
# pyarrow 24.0.0 tells compression by the file's name, and its two ways to read CSV do not agree on the name of zstd.
#
# Seen: csv.read_csv decompresses x.csv.zst and takes x.csv.zstd for text; dataset(format='csv') decompresses x.csv.zstd and takes x.csv.zst for text.
# No name works with both, and the usual one, .zst (RFC 8878, section 7.1), does not work with datasets.
# Expected: .zst works with both.
set -euo pipefail
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
python3 -m venv venv && venv/bin/pip -q install pyarrow==24.0.0
venv/bin/python - <<'P'
import sys
import pyarrow as pa, pyarrow.csv as csv, pyarrow.dataset as ds
for name in 'x.csv.zst', 'x.csv.zstd':
    with pa.CompressedOutputStream(name, 'zstd') as out:
        out.write(b'a,b\n' + b'1,2\n' * 1000)
def outcome(read):
    try:
        return 'right' if read().equals(pa.table({'a': [1] * 1000, 'b': [2] * 1000})) else 'other rows'
    except (pa.ArrowInvalid, UnicodeDecodeError) as e:
        return "no CSV: " + type(e).__name__
seen = {(way, name): outcome(lambda: read(name)) for name in ('x.csv.zst', 'x.csv.zstd')
        for way, read in (('read_csv', csv.read_csv), ('dataset', lambda n: ds.dataset(n, format='csv').to_table()))}
for k, v in sorted(seen.items()): print(*k, v)
if [seen[k] == 'right' for k in (('read_csv', 'x.csv.zst'), ('read_csv', 'x.csv.zstd'), ('dataset', 'x.csv.zst'), ('dataset', 'x.csv.zstd'))] != [True, False, False, True]:
    sys.exit('changed')
print('as seen')
P
