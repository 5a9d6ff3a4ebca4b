"""The files of a season: reading them and writing them again."""
import csv, glob, json


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def rewrite_csv(path, change):
    with open(path, newline="") as file:
        header, *rows = list(csv.reader(file))
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *change(rows)])


def rewrite_messages(folder, change):
    for path in sorted(glob.glob(folder + "/messages/*.ndjson")):
        with open(path) as file:
            messages = [json.loads(line) for line in file]
        with open(path, "w") as file:
            file.writelines(json.dumps(m, separators=(",", ":")) + "\n" for m in change(messages))


def table_file(folder, table):
    return f"{folder}/tables/{table}.csv"


def rows_of(folder, table, date):
    """The header, and the rows of one date."""
    with open(table_file(folder, table), newline="") as file:
        header, *rows = list(csv.reader(file))
    return header, [r for r in rows if r[0] == date]
