"""kill_ingest.py [--kills N] - `sluice ingest` is killed with SIGKILL at random moments, again and again on the same state, until it gets through.

After every kill: every database file is sound, and what had been accepted before (and, for every other kill, what a reader saw just before it) is
still there. At the end of every round the state is that of a run which nobody disturbed. $SLUICE_KILLS overrides --kills, $SLUICE_SEED the seed."""

import argparse
import collections
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

import mill

FEEDS = ("file", "stdin", "pipe")
LOADED = "SELECT count(*) FROM loads WHERE done_us IS NOT NULL"


class Feed:
    """One ingest at work, fed in one of three ways."""

    def __init__(self, sluice, how):
        messages = os.path.join(sluice.folder, "messages.ndjson")
        self.cat = None
        source = subprocess.DEVNULL
        if how == "stdin":
            source = open(messages, "rb")
        elif how == "pipe":
            self.cat = subprocess.Popen(["cat", messages], stdout=subprocess.PIPE)
            source = self.cat.stdout
        words = ["ingest", messages] if how == "file" else ["ingest", "-"]
        self.process = subprocess.Popen(sluice.command(*words), stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if source is not subprocess.DEVNULL:
            source.close()

    def end(self):
        _, errors = self.process.communicate()
        if self.cat:
            self.cat.wait()
        return self.process.returncode, errors.decode(errors="replace")

    def wait(self, seconds):
        """True when it has ended by itself in that time."""
        try:
            self.process.wait(max(seconds, 0))
            return True
        except subprocess.TimeoutExpired:
            return False


class Killer:
    def __init__(self, template, work, seed):
        self.template, self.work = template, work
        self.random = random.Random(seed)
        self.stages = collections.Counter()
        self.kills = self.rounds = 0
        self.all_runs = 0
        self.seconds = 0.0
        self.expected = None

    def undisturbed(self):
        mill.copy(self.template, self.work)
        start = time.monotonic()
        code, errors = Feed(mill.Sluice(self.work), "file").end()
        self.seconds = time.monotonic() - start
        if code != 0:
            raise AssertionError("ingest: exit %d\n%s" % (code, errors))
        self.expected = mill.end_state(self.work)
        self.all_runs = len(self.expected["runs"])
        found = mill.self_check(self.expected) + mill.bad_files(self.work)
        if found:
            raise AssertionError("undisturbed: %s" % found)

    # --- one kill ---

    def moment(self):
        """Some kills wait for the first byte of a load, because the end of a run is short."""
        if self.random.random() < 0.75:
            return self.random.uniform(0, self.seconds)
        return None

    def wait_for_load(self, feed):
        wal = os.path.join(self.work, "state", "warehouse", "book.db-wal")
        for _ in range(20000):
            if os.path.exists(wal) and os.path.getsize(wal) > 0:
                break
            if feed.wait(0.0002):
                return
        feed.wait(self.random.uniform(0, self.seconds / 4))

    def seen_now(self, feed):
        """Stops the process and reads what it has committed; a reader that can't get in has seen nothing."""
        feed.process.send_signal(signal.SIGSTOP)
        path = "file:%s?mode=ro" % os.path.join(self.work, "state", "ledger.db")
        db = sqlite3.connect(path, uri=True, timeout=0)
        try:
            return set().union(*(set(db.execute(sql).fetchall()) for sql in (mill.RUNS, mill.EVENTS, mill.REJECTED)))
        except sqlite3.OperationalError:
            return set()
        finally:
            db.close()

    def kill(self, feed, accepted):
        """What must be there afterwards; None: it had ended before the moment came."""
        moment = self.moment()
        if moment is None:
            self.wait_for_load(feed)
        elif feed.wait(moment):
            return None
        if feed.process.poll() is not None:
            return None
        seen = accepted | self.seen_now(feed) if self.kills % 2 else accepted
        feed.process.kill()
        feed.end()
        return seen

    def after_kill(self, seen):
        """The state is looked at in a copy: opening it is a recovery, and that one is the next ingest's."""
        copy = self.work + ".look"
        mill.copy(os.path.join(self.work, "state"), os.path.join(copy, "state"))
        found = mill.bad_files(copy)
        now = mill.committed(copy)
        lost = seen - now
        if lost:
            found.append("lost: %s" % sorted(lost, key=repr)[:3])
        self.count_stage(copy)
        if found:
            raise AssertionError("after kill %d of round %d: %s" % (self.kills, self.rounds, found))
        return now

    def count_stage(self, copy):
        ledger = os.path.join(copy, "state", "ledger.db")
        runs = len(mill.rows(ledger, mill.RUNS))
        loads = mill.rows(ledger, LOADED)[0][0]
        self.stages["before" if not runs else "loads" if runs == self.all_runs else "between loads" if loads else "batches"] += 1

    # --- a round: until it gets through ---

    def round(self, limit):
        mill.copy(self.template, self.work)
        accepted = set()
        how = FEEDS[self.rounds % len(FEEDS)]
        self.rounds += 1
        while True:
            feed = Feed(mill.Sluice(self.work), how)
            seen = self.kill(feed, accepted) if self.kills < limit else None
            if seen is None:
                break
            self.kills += 1
            accepted = self.after_kill(seen)
        code, errors = feed.end()
        if code != 0:
            raise AssertionError("round %d, after %d kills: exit %d\n%s" % (self.rounds, self.kills, code, errors))
        self.check_end(how)

    def check_end(self, how):
        actual = mill.end_state(self.work)
        found = mill.differences(self.expected, actual) + mill.self_check(actual) + mill.bad_files(self.work)
        if found:
            raise AssertionError("round %d (%s): the end is another one: %s" % (self.rounds, how, found))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    kills = int(os.environ.get("SLUICE_KILLS") or parser.parse_args().kills)
    return kills, int(os.environ.get("SLUICE_SEED") or 20250415)


def main():
    kills, seed = arguments()
    base = tempfile.mkdtemp(prefix="sluice-kill-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    killer = Killer(os.path.join(base, "template"), os.path.join(base, "work"), seed)
    print("seed %d" % seed, flush=True)
    try:
        mill.make(killer.template)
        killer.undisturbed()
        while killer.kills < kills:
            killer.round(kills)
    except AssertionError as failure:
        print("FAILED (state kept in %s): %s" % (base, failure))
        return 1
    print("kill -9 of ingest: %d rounds, %d kills mid-run (%s), 0 losses; undisturbed run %.0f ms"
          % (killer.rounds, killer.kills, ", ".join("%d %s" % (n, stage) for stage, n in sorted(killer.stages.items())), killer.seconds * 1000))
    shutil.rmtree(base)
    return 0


if __name__ == "__main__":
    sys.exit(main())
