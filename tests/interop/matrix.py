#!/usr/bin/env python3
"""The matrix: {our broker, the official emulator, pstest} x {Google's Go client, Google's Node client, our client} x what a user does with them. A cell passes, or a documented defect
of the peer explains why it can't (EXPLAINED), or is skipped aloud where a peer is missing. The words of the command line choose cells: broker/go/nack, or parts: broker, node, ordering.

With MATRIX_EXPLAINED=run those that are explained run too: a way to see whether they still fail. OWN_PEER names the program that is our client (tests/interop/own)."""

import concurrent.futures
import fnmatch
import functools
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
import traceback

import interop
from interop import holds, numbers_in, same, wait_for

# --- clients: the same words for each ------------------------------------------------------------------------------------------------


class Go:
    again_s = 15  # what is not acked comes again within

    def __init__(self, server):
        self.peer = interop.go_client(server)

    def make(self, topic, sub, ordered=False, dead=None):
        words = ["-topic", topic, "-sub", sub] + (["-ordered"] if ordered else [])
        if dead:
            self.peer("topic", "-topic", dead)
            words += ["-dead-letter", dead, "-attempts", 5]
        self.peer("topic", "-topic", topic)
        self.peer("sub", *words)
        if dead:
            self.peer("sub", "-topic", dead, "-sub", dead + "-sub")

    def publish(self, topic, n, size, keys=0):
        return self.peer("publish", "-topic", topic, "-n", n, "-size", size, "-keys", keys)["published"]

    def start(self, sub, n, mode="ack", k=0, log=None, idle_s=20):
        words = {"ack": (), "keys": (), "nack": ("-do", "nack"), "nack-once": ("-do", "nack-once", "-k", k), "slowly": ("-work", "%dms" % k, "-outstanding", 100), "hold": ("-do", "none")}
        return self.peer.start("receive", "-sub", sub, "-n", n, "-expect", n, "-idle", "%dms" % (idle_s * 1000), *words[mode], *(("-log", log) if log else ()))

    def end(self, process):
        return self.peer.end(process)

    def receive(self, *words, **options):
        return self.end(self.start(*words, **options))


class Node(Go):
    def __init__(self, server):
        self.peer = interop.node_client(server)

    def make(self, topic, sub, ordered=False, dead=None):
        self.peer("make", topic, sub, dead or "-", 5, json.dumps({"enableMessageOrdering": True} if ordered else {}))
        if dead:
            self.peer("make", dead + "-other", dead + "-other-sub")
            self.peer("sub", dead, dead + "-sub")

    def publish(self, topic, n, size, keys=0):
        return self.peer("publish", topic, n, size, *((keys,) if keys else ()))["published"]

    def start(self, sub, n, mode="ack", k=0, log=None, idle_s=20):
        return self.peer.start("receive", sub, n, "ack" if mode == "keys" else mode, k, log or "-", int(idle_s * 1000))


class Ours(Go):
    """It never nacks: it lets the lease end, which is ten seconds."""
    again_s = 20

    def __init__(self, server):
        self.peer = interop.Peer([own_peer()], server)

    def make(self, topic, sub, ordered=False, dead=None):
        self.peer("make", topic, sub, *(("ordered",) if ordered else (dead,) if dead else ()))

    def publish(self, topic, n, size, keys=0):
        return self.peer("publish", topic, n, size, keys)["published"]

    def start(self, sub, n, mode="ack", k=0, log=None, idle_s=20):
        return self.peer.start("receive", sub, n, mode.replace("nack", "lapse"), k, log or "-", int(idle_s * 1000))


def own_peer():
    path = os.environ.get("OWN_PEER")
    if not path:
        interop.missing("own", "$OWN_PEER does not name our client's program")
    return os.path.abspath(path)


# --- what is done --------------------------------------------------------------------------------------------------------------------

def publish_and_ack(server, client, _folder):
    client.make("plain", "plain-sub")
    same("published", client.publish("plain", 2000, 400), 2000)
    got = client.receive("plain-sub", 2000)
    same("received, acked", (got["distinct"], got["acked"]), (2000, 2000))
    same("left", client.receive("plain-sub", 1, idle_s=2)["received"], 0)


def nack(server, client, _folder):
    client.make("nacks", "nacks-sub")
    client.publish("nacks", 500, 100)
    got = client.receive("nacks-sub", 500, "nack-once", 50)
    same("acked, nacked, came again", (got["acked"], got.get("nacked"), got.get("nacked_again")), (500, 50, 50))


def lease_expiry(server, client, _folder):
    """Who holds messages and dies loses them to the next one, at the latest when their leases end.

    The emulator 0.8.20 does not notice that a connection was closed: when the lease of such a message ends, it may be handed to that same stream again, for the stream_ack_deadline_seconds
    that it asked for. Each turn is the toss of a coin, so that this takes a few leases of 10 s with us and Node. A client that does nothing but one StreamingPull shows the same: killed with
    50 messages, they came to the next stream after 8, 18, 58, 68 or 118 s, always a lease or several after the kill."""
    client.make("leases", "leases-sub")
    client.publish("leases", 50, 100)
    holding = client.start("leases-sub", 50, "hold", idle_s=60)
    time.sleep(3)
    holding.kill()
    holding.communicate()
    got = client.receive("leases-sub", 50, idle_s=240)
    same("acked", got["acked"], 50)


def ordering(server, client, _folder):
    client.make("ordered", "ordered-sub", ordered=True)
    same("published", client.publish("ordered", 600, 100, keys=10), 600)
    got = client.receive("ordered-sub", 600, "keys", 10)
    same("acked, before their turn", (got["acked"], got["early"]), (600, 0))


def dead_letter(server, client, _folder):
    client.make("alive", "alive-sub", dead="dead")
    client.publish("alive", 20, 100)
    nacked = client.receive("alive-sub", 20, "nack", idle_s=client.again_s)
    same("deliveries", nacked["received"], 100)
    got = client.receive("dead-sub", 20, idle_s=20)
    same("dead letters", got["acked"], 20)


def large_messages(server, client, _folder):
    client.make("large", "large-sub")
    same("published", client.publish("large", 8, 3000000), 8)
    got = client.receive("large-sub", 8)
    same("acked", got["acked"], 8)


def server_restart(server, client, folder):
    if not isinstance(server, interop.Broker):
        restart_of_one_that_forgets(server, client, folder)
        return
    client.make("restart", "restart-sub")
    client.publish("restart", 3000, 100)
    receiving = client.start("restart-sub", 3000, "slowly", 100, log=folder + "/log")
    wait_for("messages flow", lambda: len(numbers_in(folder + "/log")) > 200, 60)
    server.restart()
    got = client.end(receiving)
    same("acked", got["acked"], 3000)


def restart_of_one_that_forgets(server, client, folder):
    """Its topics are made again and the messages published again before anybody reaches it: the client that was there all along goes on."""
    log = folder + "/log"
    client.make("restart", "restart-sub")
    client.publish("restart", 3000, 100)
    with interop.Door(server) as door:
        receiving = type(client)(door).start("restart-sub", 6000, "slowly", 100, log=log, idle_s=60)
        wait_for("messages flow", lambda: len(numbers_in(log)) > 200, 60)
        door.shut()
        server.stop()
        server.start()
        again = type(client)(server)
        again.make("first", "first-sub")
        again.publish("first", 3000, 100)  # takes the ids that the client may still ack: pstest counts from nought again
        again.make("restart", "restart-sub")
        again.publish("restart", 3000, 100)
        door.open()
        wait_for("all, from the second one", lambda: len(set(numbers_in(log))) == 3000, 240, 0.2)
        receiving.kill()
        receiving.communicate()


def client_restart(server, client, folder):
    client.make("again", "again-sub")
    client.publish("again", 3000, 100)
    dying = client.start("again-sub", 3000, "slowly", 100, log=folder + "/log")
    wait_for("messages flow", lambda: len(numbers_in(folder + "/log")) > 500, 60)
    dying.kill()
    dying.communicate()
    client.start("again-sub", 3000, log=folder + "/log", idle_s=240)
    wait_for("all of both", lambda: len(set(numbers_in(folder + "/log"))) == 3000, 240, 0.2)


SERVERS = {"broker": lambda folder: interop.Broker(folder + "/broker"), "emulator": lambda folder: interop.Emulator(folder + "/emulator"), "pstest": lambda folder: interop.Fake()}
CLIENTS = {"go": Go, "node": Node, "ours": Ours}
CASES = [publish_and_ack, nack, lease_expiry, ordering, dead_letter, large_messages, server_restart, client_restart]

DEAD_STREAMS = ("the emulator 0.8.20 hands what a killed stream had to that stream again, each time for the 60 s that this client always asks for (see lease_expiry): all was there"
                " after 24 s to more than 250 s")

# Patterns of cells, and whose defect it is. The first that fits counts.
EXPLAINED = [
    ("emulator/go/lease_expiry", DEAD_STREAMS),
    ("emulator/go/client_restart", DEAD_STREAMS),
    ("pstest/*/dead_letter", "this pstest knows no dead-letter policy: what is nacked comes again for ever"),
    ("pstest/*/ordering", "pstest hands out messages in the order of a map; its package documentation says that delivery order may differ from the service"),
]


# --- cells ---------------------------------------------------------------------------------------------------------------------------

def explanation(cell):
    if os.environ.get("MATRIX_EXPLAINED") == "run":
        return None
    return next((why for pattern, why in EXPLAINED if fnmatch.fnmatch(cell, pattern)), None)


def chosen(cell, words):
    return not words or any(word == cell or all(part in cell.split("/") for part in word.split("/")) for word in words)


def run_cell(cell, make_server, make_client, case):
    folder, start = tempfile.mkdtemp(prefix="sluice-matrix."), time.monotonic()
    said, outcome = explanation(cell) or "", "explained"
    try:
        if not said:
            with make_server(folder) as server:
                case(server, make_client(server), folder)
            outcome = "passed"
    except interop.Skip as why:
        outcome, said = "skipped", str(why)
    except interop.Failure as why:
        outcome, said = "failed", str(why)
    except Exception:  # a bug of the test is a failure of this cell, not of the others
        outcome, said = "failed", traceback.format_exc()
    interop.end_all()
    shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write("%-9s %s (%.1f s)%s\n" % (outcome, cell, time.monotonic() - start, ": " + said if said else ""))
    sys.stdout.flush()
    return outcome


def run_client(words, server, client):
    cells = [("%s/%s/%s" % (server, client, case.__name__), case) for case in CASES]
    return [run_cell(cell, SERVERS[server], CLIENTS[client], case) for cell, case in cells if chosen(cell, words)]


def main():
    words, outcomes = sys.argv[1:], []
    for server in SERVERS:
        with concurrent.futures.ThreadPoolExecutor(len(CLIENTS)) as side_by_side:  # each has servers of its own, and most of them wait for leases to end
            outcomes += itertools.chain(*side_by_side.map(functools.partial(run_client, words, server), CLIENTS))
    print(", ".join("%d %s" % (outcomes.count(o), o) for o in ("passed", "explained", "skipped", "failed")), flush=True)
    if "failed" in outcomes or not outcomes:
        return 1
    return 0 if "passed" in outcomes else 77


if __name__ == "__main__":
    sys.exit(main())
