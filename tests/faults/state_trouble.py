"""state_trouble.py - `sluice` with a state directory in a bad way: read-only, full, newer, corrupt, in use, missing.

Each case: the documented exit code, a sentence on stderr that names what is wrong, nothing half-made; and where the trouble can be taken away,
the same ingest afterwards ends where an undisturbed one does. A case that this machine can't make is SKIPPED, and says so."""

import hashlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import mill

NOBODY = 65534
OK, FAILED, DENIED, LATER = 0, 1, 4, 75


class Skipped(Exception):
    pass


class Bed:
    """A template with tables, and the end of an undisturbed ingest."""

    def __init__(self, base):
        self.base = base
        self.template = os.path.join(base, "template")
        self.work = os.path.join(base, "work")
        mill.make(self.template)
        self.fresh().must("ingest", self.messages())
        self.expected = mill.end_state(self.work)

    def messages(self):
        return os.path.join(self.work, "messages.ndjson")

    def fresh(self):
        for base, folders, _ in os.walk(self.work):
            for name in folders:
                os.chmod(os.path.join(base, name), 0o755)
        mill.copy(self.template, self.work)
        return mill.Sluice(self.work)

    def path(self, *parts):
        return os.path.join(self.work, "state", *parts)

    def check_end(self):
        actual = mill.end_state(self.work)
        found = mill.differences(self.expected, actual) + mill.self_check(actual) + mill.bad_files(self.work)
        expect(not found, "the end is another one: %s" % found)


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


def expect_failure(done, code, *words):
    said = done.stderr.lower()
    expect(done.returncode == code, "exit %d instead of %d: %s" % (done.returncode, code, done.stderr[-400:]))
    for word in words:
        expect(word.lower() in said, "%r is not in: %s" % (word, done.stderr[-400:]))
    expect("assert" not in said and "sanitizer" not in said, done.stderr[-400:])


EMPTY = hashlib.sha256(b"").hexdigest()


def without_locks(digest):
    """Lock files, shared memory and an empty write-ahead log hold nothing."""
    return {name: value for name, value in digest.items()
            if not name.endswith((".lock", "-shm")) and not (name.endswith("-wal") and value == EMPTY)}


def expect_untouched(before, bed):
    after = without_locks(mill.digest(bed.path()))
    changed = sorted(name for name in set(before) | set(after) if before.get(name) != after.get(name))
    expect(not changed, "changed: %s" % changed)


def state_of(bed):
    return without_locks(mill.digest(bed.path()))


# --- the cases ------------------------------------------------------------------------------------------------------------------

def as_nobody(bed):
    """Root may write everywhere: it becomes somebody else, with a copy of the binary that he can reach."""
    sluice = mill.Sluice(bed.work, os.path.join(bed.base, "sluice"))
    shutil.copy(os.environ["SLUICE"], sluice.binary)
    os.chmod(bed.base, 0o755)
    os.chmod(sluice.binary, 0o755)
    for base, folders, files in os.walk(bed.work):
        for name in folders + files:
            os.chmod(os.path.join(base, name), 0o555 if name in folders else 0o444)
    return sluice, {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def read_only_state(bed):
    bed.fresh()
    before = state_of(bed)
    sluice, who = as_nobody(bed)
    expect_failure(sluice.run("ingest", bed.messages(), **who), DENIED, bed.path())
    expect_failure(sluice.run("known-gaps", "add", "--phase", "pack", "--date", "2025-01-05", "--reason", "x", **who), DENIED, "ledger.db")
    expect_untouched(before, bed)


def read_only_ledger(bed):
    """The directory can be written, the ledger can't."""
    bed.fresh()
    before = state_of(bed)
    sluice, who = as_nobody(bed)
    os.chmod(bed.path(), 0o777)
    expect_failure(sluice.run("ingest", bed.messages(), **who), DENIED, "ledger.db")
    expect_untouched(before, bed)


def mounted(bed, size_kib):
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dk" % size_kib, "tmpfs", bed.path()], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skipped("a small tmpfs can't be mounted: %s" % done.stderr.strip())


def used_kib(folder):
    return sum((os.path.getsize(os.path.join(base, name)) + 4095) // 4096 * 4 for base, _, names in os.walk(folder) for name in names)


def ingest_on_full_disk(bed, slack_kib):
    sluice = bed.fresh()
    kept = os.path.join(bed.base, "kept")
    shutil.rmtree(kept, ignore_errors=True)
    shutil.move(bed.path(), kept)
    os.mkdir(bed.path())
    mounted(bed, used_kib(kept) + 16 + slack_kib)
    try:
        shutil.copytree(kept, bed.path(), dirs_exist_ok=True)
        expect_failure(sluice.run("ingest", bed.messages()), LATER, "full")
        expect(not mill.bad_files(copy_of_state(bed)), "slack %d KiB: a file is not sound" % slack_kib)
        subprocess.run(["mount", "-o", "remount,size=64m", bed.path()], check=True)
        sluice.must("ingest", bed.messages())
        bed.check_end()
    finally:
        subprocess.run(["umount", bed.path()], check=True)


def copy_of_state(bed):
    copy = os.path.join(bed.base, "look")
    mill.copy(bed.path(), os.path.join(copy, "state"))
    return copy


def full_disk(bed):
    for slack_kib in (0, 40, 100, 200, 400, 700):
        ingest_on_full_disk(bed, slack_kib)


def full_file(bed):
    """A limit on the size of files: writing fails with EFBIG, which is not a full disk but an I/O error."""
    sluice = bed.fresh()

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400 * 1024, 400 * 1024))

    done = sluice.run("ingest", bed.messages(), preexec_fn=limit, restore_signals=False)
    expect_failure(done, FAILED, "ledger.db", "i/o error")
    accepted = mill.committed(copy_of_state(bed))
    expect(not mill.bad_files(copy_of_state(bed)), "a file is not sound")
    sluice.must("ingest", bed.messages())
    expect(accepted <= mill.committed(bed.work), "something accepted is lost")
    bed.check_end()


def set_version(path, version):
    """Returns the version that it was."""
    db = sqlite3.connect(path)
    before = db.execute("PRAGMA user_version").fetchone()[0]
    db.execute("PRAGMA user_version = %d" % version)
    db.close()
    return before


def newer_ledger(bed):
    sluice = bed.fresh()
    own = set_version(bed.path("ledger.db"), 99)
    before = state_of(bed)
    for words in (["ingest", bed.messages()], ["init"], ["gates"], ["status"],
                  ["known-gaps", "add", "--phase", "pack", "--date", "2025-01-05", "--reason", "x"]):
        expect_failure(sluice.run(*words), FAILED, "newer", "99", "ledger.db")
        expect_untouched(before, bed)
    set_version(bed.path("ledger.db"), own)
    sluice.must("ingest", bed.messages())
    bed.check_end()


def newer_log(bed):
    """Gates are decided and kept; what can't be loaded waits."""
    sluice = bed.fresh()
    own = set_version(bed.path("warehouse", "book.db"), 99)
    before = mill.digest(bed.path("warehouse"))["book.db"]
    expect_failure(sluice.run("ingest", bed.messages()), FAILED, "book.db", "99")
    expect(mill.digest(bed.path("warehouse"))["book.db"] == before, "the newer file was written to")
    set_version(bed.path("warehouse", "book.db"), own)
    sluice.must("ingest", bed.messages())
    bed.check_end()


def overwrite(path, at, data):
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


def corrupt_ledger(bed):
    sluice = bed.fresh()
    overwrite(bed.path("ledger.db"), 0, b"not a ledger at all " * 5)
    before = state_of(bed)
    for words in (["ingest", bed.messages()], ["init"], ["gates"], ["why", "pack", "2025-01-05"]):
        expect_failure(sluice.run(*words), FAILED, "ledger.db", "not a database")
        expect_untouched(before, bed)


def foreign_file(bed):
    """Somebody else's database under the ledger's name is left alone."""
    sluice = bed.fresh()
    os.remove(bed.path("ledger.db"))
    db = sqlite3.connect(bed.path("ledger.db"))
    db.execute("CREATE TABLE recipes (name)")
    db.close()
    before = state_of(bed)
    for words in (["ingest", bed.messages()], ["init"]):
        expect_failure(sluice.run(*words), FAILED, "ledger.db")
        expect_untouched(before, bed)


def no_init(bed):
    """Commands that look make nothing and say what to do."""
    sluice = bed.fresh()
    shutil.rmtree(bed.path())
    for words in (["gates"], ["status"], ["why", "pack", "2025-01-05"], ["pending"]):
        expect_failure(sluice.run(*words), FAILED, "sluice init")
        expect(not os.path.exists(bed.path()), "%s made %s" % (words, bed.path()))


def no_log(bed):
    """Without the log's tables: what was accepted is kept, the sentence says what is missing, and after init everything is loaded."""
    sluice = bed.fresh()
    os.remove(bed.path("warehouse", "book.db"))
    expect_failure(sluice.run("ingest", bed.messages()), FAILED, "book", "sluice init")
    expect(not os.path.exists(bed.path("warehouse", "book.db")), "half a log was made")
    sluice.must("init")
    sluice.must("ingest", bed.messages())
    bed.check_end()


def state_is_a_file(bed):
    sluice = bed.fresh()
    shutil.rmtree(bed.path())
    with open(bed.path(), "w") as file:
        file.write("hello")
    for words in (["ingest", bed.messages()], ["init"]):
        expect_failure(sluice.run(*words), FAILED, bed.path())
    with open(bed.path()) as file:
        expect(file.read() == "hello", "the file was written to")


def wait_for(holds, what):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("never: " + what)


def two_workers(bed):
    sluice = bed.fresh()
    lock = bed.path("ledger.db.lock")
    first = subprocess.Popen(sluice.command("ingest", "-"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: os.path.exists(lock) and os.path.getsize(lock) > 0, "the first worker has the lock")
        start = time.monotonic()
        second = sluice.run("ingest", bed.messages())
        seconds = time.monotonic() - start
        expect_failure(second, LATER, "another worker", str(first.pid))
        expect(seconds > 9.5, "it waited for %.1f s only" % seconds)
        expect(not mill.rows(bed.path("ledger.db"), mill.RUNS), "the second one wrote")
        with open(bed.messages(), "rb") as messages:
            first.stdin.write(messages.read())
    finally:
        first.stdin.close()
        first.stderr.read()
        first.stderr.close()
        code = first.wait()
    expect(code == OK, "the first worker: exit %d" % code)
    bed.check_end()


CASES = [read_only_state, read_only_ledger, full_disk, full_file, newer_ledger, newer_log, corrupt_ledger, foreign_file, no_init, no_log, state_is_a_file,
         two_workers]


def run_case(bed, case):
    try:
        case(bed)
    except Skipped as why:
        print("%s: SKIPPED: %s" % (case.__name__, why), flush=True)
        return True
    except AssertionError as failure:
        print("%s: FAILED: %s" % (case.__name__, failure), flush=True)
        return False
    print("%s: ok" % case.__name__, flush=True)
    return True


def main():
    base = tempfile.mkdtemp(prefix="sluice-state-")
    bed = Bed(base)
    results = [run_case(bed, case) for case in CASES if len(sys.argv) < 2 or case.__name__ in sys.argv[1:]]
    print("state trouble: %d cases, %d failed" % (len(results), results.count(False)))
    bed.fresh()
    shutil.rmtree(base)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
