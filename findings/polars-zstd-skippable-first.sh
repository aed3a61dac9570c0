#!/usr/bin/env bash
# polars 1.42.1 does not take a zstd stream for compressed when it begins with a skippable frame.
#
# Seen: read_csv of a .csv.zst whose first frame is skippable (4 bytes of user data) raises, as the frame's bytes are parsed as text; the same stream without that
# frame, or with it behind the data, is read. zstandard's stream reader, which is the reference library, reads all three.
# Expected: all three are read: a decoder must ignore skippable frames wherever they stand (RFC 8878, section 3.1.2).
set -euo pipefail
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
python3 -m venv venv && venv/bin/pip -q install polars==1.42.1 zstandard==0.25.0
venv/bin/python - <<'P'
import io, struct, sys
import polars as pl, zstandard
frame = zstandard.ZstdCompressor().compress(b'a,b\n' + b'1,2\n' * 1000)
skippable = struct.pack('<II', 0x184D2A50, 4) + b'user'
seen = {}
for name, stream in ('plain', frame), ('skippable last', frame + skippable), ('skippable first', skippable + frame):
    with open('x.csv.zst', 'wb') as f: f.write(stream)
    reference = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(stream), read_across_frames=True).read()
    try:
        rows = pl.read_csv('x.csv.zst').height
    except Exception as e:
        rows = type(e).__name__
    seen[name] = rows, len(reference)
    print(f'{name:16} polars: {rows}, reference: {len(reference)} bytes')
if seen['plain'][0] != 1000 or seen['skippable last'][0] != 1000 or seen['skippable first'][0] == 1000 or {n for _, n in seen.values()} != {4004}:
    sys.exit('changed')
print('as seen')
P
