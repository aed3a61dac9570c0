"""The table at the end: servers by jobs. usage: table.py DIRECTORY SERVER...

Each cell has the verdicts where versioning is enabled, suspended, never was;
jobs.py says what they mean. Exits with 1 if anything is wrong."""
import json
import os
import sys

KINDS = ["enabled", "suspended", "never"]


def main(directory, *names):
    cells, jobs, wrong = {}, [], []
    for name in names:
        path = os.path.join(directory, name, "verdicts.json")
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as f:
            for job, kind, verdict, seen in json.load(f):
                cells[name, job, kind] = verdict
                if job not in jobs:
                    jobs.append(job)
                if verdict == "WRONG":
                    wrong.append(f"{name}, {job}, {kind}: {seen}")
    print(f"\n{'':12}" + "".join(f"{job:28}" for job in jobs))
    for name in names:
        row = [" ".join(f"{cells.get((name, job, kind), '-'):8}" for kind in KINDS) for job in jobs]
        print(f"{name:12}" + "".join(f"{cell:28}" for cell in row))
    for line in wrong:
        print("WRONG:", line)
    return 1 if wrong or not cells else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
