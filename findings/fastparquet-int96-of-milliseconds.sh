#!/usr/bin/env bash
# fastparquet 2026.9.0 with pandas 3.0.0 writes other dates than it was given: a column in milliseconds, the unit that pandas 3 keeps as it finds it, written with
# times='int96'. There is no error, and no reader can tell.
#
# Seen: 2026-11-30T01:02:03 in datetime64[ms] is stored as an instant in 1970; in datetime64[ns] it is stored right. pyarrow 24.0.0 and fastparquet read the same wrong one.
# Expected: INT96 holds nanoseconds of the day and a Julian day, whatever unit the column in memory has
# (https://github.com/apache/parquet-format/blob/master/LogicalTypes.md, "Deprecated timestamp"), so that both files say 2026.
set -euo pipefail
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; cd "$W"
python3 -m venv venv && venv/bin/pip -q install fastparquet==2026.9.0 pandas==3.0.0 pyarrow==24.0.0
venv/bin/python - <<'P'
import sys
import fastparquet, pandas as pd, pyarrow.parquet as pq
years = {}
for unit in 'ns', 'ms':
    frame = pd.DataFrame({'t': pd.Series(['2026-11-30T01:02:03']).astype(f'datetime64[{unit}]')})
    fastparquet.write(f'{unit}.parquet', frame, times='int96')
    read = pq.read_table(f'{unit}.parquet')['t'][0].as_py()
    own = fastparquet.ParquetFile(f'{unit}.parquet').to_pandas()['t'][0]
    years[unit] = read.year, own.year
    print(f'datetime64[{unit}] {frame["t"][0]}: pyarrow reads {read}, fastparquet {own}')
if years != {'ns': (2026, 2026), 'ms': (1970, 1970)}:
    sys.exit('changed')
print('as seen')
P
