#!/usr/bin/env python3
"""The official Go client on `sluice broker`: publishing, streams, leases, nacks, dead letters, big messages, and SIGKILL on either side.

With $INTEROP_REFERENCE=1 the cases that every server must pass run against the official emulator: the test of the test."""

import os
import random
import sys
import time

import interop
from interop import Failure, holds, numbers_in, same, wait_for

LEASE_S = 20
DEAD_LETTER = "CloudPubSubDeadLetterSource"
DAY = 86400
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
REFERENCE = os.environ.get("INTEROP_REFERENCE") == "1"


def serve(folder):
    """The client's part first: without it nothing needs to serve."""
    interop.go_peer()
    return interop.Emulator(folder + "/emulator") if REFERENCE else interop.Broker(folder + "/broker")


def drained(go, sub, seconds="1500ms"):
    left = go("receive", "-sub", sub, "-idle", seconds)
    same("messages left on %s" % sub, left["received"], 0)


def complete(got, n):
    same("missing", (got["missing"], got["missing_first"]), (0, []))
    same("distinct", got["distinct"], n)


def nothing_is_lost_by_a_kill(folder):
    """20,000 published, SIGKILL, 20,000 received, SIGKILL: acked messages stay acked."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("kills")
        sent = go("publish", "-topic", topic, "-n", 20000, "-size", 400)
        same("published", (sent["published"], sent["failed"], sent["distinct_ids"]), (20000, 0, 20000))
        broker.restart()
        got = go("receive", "-sub", sub, "-n", 20000, "-expect", 20000, "-for", "120s")
        complete(got, 20000)
        same("bodies", got["bytes"] // got["received"], 400)
        broker.restart()
        drained(go, sub)


def kills_while_publishing(folder):
    """What was answered is there, however often the broker was killed meanwhile."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("publish-kills")
        publishing = go.start("publish", "-topic", topic, "-n", 20000, "-size", 200, "-rate", 5000, "-acked", folder + "/acked")
        for pause in (0.6, 0.9, 1.2):
            time.sleep(pause)
            broker.restart()
        sent = go.end(publishing)
        acked = set(numbers_in(folder + "/acked"))
        same("answered", (len(acked), sent["failed"]), (20000, 0))
        complete_numbers(go("receive", "-sub", sub, "-idle", "3s", "-least", 20000, "-expect", 20000), 20000)
        drained(go, sub)


def complete_numbers(got, n):
    """Publishing again after a lost answer makes a second message of one number."""
    same("missing", (got["missing"], got["missing_first"], got["numbers"]), (0, [], n))


def kills_while_receiving(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("receive-kills")
        go("publish", "-topic", topic, "-n", 20000, "-size", 200)
        receiving = go.start("receive", "-sub", sub, "-n", 20000, "-expect", 20000, "-work", "20ms", "-outstanding", 200, "-for", "120s", "-log", folder + "/log")
        chance = random.Random(3)
        for _ in range(3):
            had = len(numbers_in(folder + "/log"))
            wait_for("messages flow", lambda had=had: len(numbers_in(folder + "/log")) > had + 500, 60)
            time.sleep(chance.uniform(0, 0.2))
            broker.restart()
        complete(go.end(receiving), 20000)
        rest = go("receive", "-sub", sub, "-idle", "2s")
        holds("acks that were lost with the broker are few", rest["received"] <= 3000, rest)
        broker.restart()
        drained(go, sub)


def nacked_once(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("nacks")
        go("publish", "-topic", topic, "-n", 2000, "-size", 100)
        got = go("receive", "-sub", sub, "-do", "nack-once", "-k", 200, "-n", 2000, "-expect", 2000)
        complete(got, 2000)
        same("nacked, came again, deliveries", (got["nacked"], got["nacked_again"], got["received"]), (200, 200, 2200))
        drained(go, sub)


def lease_expires(folder):
    """Unary: nothing while it is leased, all when it has expired. The lease is long enough for a slow machine to look meanwhile."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        go("topic", "-topic", "lease-dead")
        topic, sub = go.make("leases", "-dead-letter", "lease-dead", "-attempts", 10, "-ack-deadline", "%ds" % LEASE_S)
        go("publish", "-topic", topic, "-n", 50)
        first = pull_all(go, sub, 50, LEASE_S)
        leased = time.monotonic()
        same("attempts at first", set(first.values()), {1})
        same("while leased", go("pull", "-sub", sub)["received"], 0)
        second = pull_all(go, sub, 50, 60 + LEASE_S)
        holds("not before the ack deadline", time.monotonic() - leased > LEASE_S - 1, time.monotonic() - leased)
        same("attempts when it has expired", set(second.values()), {2})
        same("again while leased", go("pull", "-sub", sub)["received"], 0)


def pull_all(go, sub, n, seconds, *options):
    """{number: attempt} of n messages; a server may give fewer per call."""
    got, end = {}, time.monotonic() + seconds
    while len(got) < n:
        answer = go("pull", "-sub", sub, *options)
        got.update(zip(answer["numbers"], answer["attempts"]))
        if time.monotonic() > end:
            raise Failure("%d of %d messages within %g s" % (len(got), n, seconds))
        time.sleep(0.1)
    return got


def deadline_zero(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("deadlines")
        go("publish", "-topic", topic, "-n", 20)
        pull_all(go, sub, 20, 60, "-deadline", 0)
        pull_all(go, sub, 20, 60, "-deadline", 120)
        pull_none(go, sub, 12)


def pull_none(go, sub, seconds):
    """An extended lease outlives the subscription's 10 s."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        same("pulled under an extended lease", go("pull", "-sub", sub)["received"], 0)
        time.sleep(1)


def dead_letters(folder):
    """After five attempts it leaves for the dead-letter topic, with where it comes from and its own attributes and bytes."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        dead, dead_sub = go.make("dead")
        topic, sub = go.make("alive", "-dead-letter", dead, "-attempts", 5)
        with open(folder + "/lines", "w", encoding="ascii") as lines:
            lines.writelines('{"data": "%09d body", "attributes": {"kind": "k%d"}}\n' % (i, i) for i in range(20))
        go("publish", "-topic", topic, "-lines", folder + "/lines")
        nacked = go("receive", "-sub", sub, "-do", "nack", "-idle", "15s")
        same("deliveries by attempt", nacked["attempts"], {str(i): 20 for i in range(1, 6)})
        broker.restart()
        got = go("receive", "-sub", dead_sub, "-n", 20, "-for", "120s", "-save", folder + "/saved")
        same("dead letters", got["acked"], 20)
        for message in interop.read_ndjson(folder + "/saved"):
            check_dead_letter(message, sub)
        drained(go, sub)


def check_dead_letter(message, sub):
    attributes, number = message["attributes"], int(message["data"].split()[0])
    same("body", message["data"], "%09d body" % number)
    same("own attribute", attributes.get("kind"), "k%d" % number)
    same("names", sorted(a for a in attributes if a != "kind"), sorted(DEAD_LETTER + a for a in (
        "DeliveryCount", "DeliveryErrorMessage", "Subscription", "SubscriptionProject", "TopicPublishTime")))
    same("count, subscription, project", [attributes[DEAD_LETTER + a] for a in ("DeliveryCount", "Subscription", "SubscriptionProject")], ["5", sub, interop.PROJECT])
    holds("publish time", attributes[DEAD_LETTER + "TopicPublishTime"].startswith("20"), attributes)


def retry_backoff(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("backoff", "-retry-min", "2s", "-retry-max", "600s")
        go("publish", "-topic", topic, "-n", 100)
        got = go("receive", "-sub", sub, "-do", "nack-once", "-k", 100, "-n", 100, "-expect", 100, "-for", "120s")
        complete(got, 100)
        same("came again", got["nacked_again"], 100)
        holds("not before the minimum backoff", got["receiving_s"] > 1.8, got["receiving_s"])


def big_messages(folder):
    """20 of 3 MB, over a SIGKILL."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("big")
        sent = go("publish", "-topic", topic, "-n", 20, "-size", 3000000)
        same("published", (sent["published"], sent["error"]), (20, ""))
        if not REFERENCE:
            broker.restart()
        got = go("receive", "-sub", sub, "-n", 20, "-expect", 20, "-for", "60s")
        complete(got, 20)
        same("bytes", got["bytes"], 20 * 3000000)


def client_is_killed(folder):
    """What a client held when it died comes to the next one; what it had acked does not, but for acks on their way."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("client-kills")
        go("publish", "-topic", topic, "-n", 5000, "-size", 100)
        dying = go.start("receive", "-sub", sub, "-work", "100ms", "-outstanding", 500, "-log", folder + "/log")
        wait_for("1,500 acked", lambda: len(numbers_in(folder + "/log")) >= 1500, 60)
        dying.kill()
        dying.communicate()
        acked = set(numbers_in(folder + "/log"))
        got = go("receive", "-sub", sub, "-idle", "2s", "-least", 5000 - len(acked), "-log", folder + "/log")
        same("all of both", len(set(numbers_in(folder + "/log"))), 5000)
        holds("few of the acked ones come again", got["distinct"] <= 5000 - len(acked) + 1000, got)
        drained(go, sub)


def a_quiet_stream_lives(folder):
    """Longer than a ping period of the client without a message, then one: it comes at once, on the same stream."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("quiet")
        receiving = go.start("receive", "-sub", sub, "-n", 1, "-for", "60s", "-log", folder + "/log")
        time.sleep(35)
        go("publish", "-topic", topic, "-n", 1)
        wait_for("it comes, before the client would look or open another stream", lambda: numbers_in(folder + "/log") == [0], 12)
        go.end(receiving)


def pings_are_answered(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        _, sub = go.make("pings")
        got = go("ping", "-sub", sub, "-pings", 5, "-every", "500ms")
        same("answered", (got["answered"], got["open"]), (5, True))


def what_is_not_there(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("there")
        for sentence, words in (("NotFound", ("publish", "-topic", "nowhere")), ("NotFound", ("receive", "-sub", "nobody", "-idle", "5s")),
                                ("AlreadyExists", ("topic", "-topic", topic)), ("AlreadyExists", ("sub", "-topic", topic, "-sub", sub)),
                                ("NotFound", ("sub", "-topic", "nowhere", "-sub", "nobody"))):
            said = go("publish", "-topic", "nowhere")["error"] if words[0] == "publish" else go.fails(*words)
            holds("%s says %s" % (words, sentence), sentence in said, said)


def keys_in_order(folder):
    """Two clients share 50 keys over a SIGKILL; each sees every key ascending, and nothing is missing."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("ordered", "-ordered")
        same("published", go("publish", "-topic", topic, "-n", 10000, "-size", 100, "-keys", 50)["failed"], 0)
        receiving = [go.start("receive", "-sub", sub, "-idle", "15s", "-work", "1ms", "-outstanding", 200, "-log", "%s/log-%d" % (folder, i)) for i in range(2)]
        wait_for("both get some", lambda: all(len(numbers_in("%s/log-%d" % (folder, i))) > 500 for i in range(2)), 60)
        broker.restart()
        got = [go.end(each) for each in receiving]
        same("came before its turn", [each["early"] for each in got], [0, 0])
        both = [numbers_in("%s/log-%d" % (folder, i)) for i in range(2)]
        same("all of both", sorted(set(both[0] + both[1])), list(range(10000)))
        drained(go, sub)


def nack_of_a_key(folder):
    """What was nacked comes again, and with it the later ones of its key."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("ordered-nack", "-ordered")
        go("publish", "-topic", topic, "-n", 500, "-size", 50, "-keys", 5)
        got = go("receive", "-sub", sub, "-do", "nack-once", "-k", 5, "-keys", 5, "-n", 500, "-expect", 500, "-for", "120s")
        complete(got, 500)
        same("nacked, came again, too early", (got["nacked"], got["nacked_again"], got["early"]), (5, 5, 0))
        drained(go, sub)


def stale_ack_ids(folder):
    """Exactly once: the answer names the id that is not the newest, and the others have counted."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("once", "-exactly-once")
        go("publish", "-topic", topic, "-n", 20, "-size", 50)
        got = go("pull", "-sub", sub, "-again")
        same("refused", (got["code"], got["reason"], got["domain"], got["ids"], got["why"]),
             ("InvalidArgument", "EXACTLY_ONCE_ACKID_FAILURE", "pubsub.googleapis.com", 1, "PERMANENT_FAILURE_INVALID_ACK_ID"))
        same("pulled again, and acked", (got["again"], go("pull", "-sub", sub)["received"]), (20, 0))


def filtered(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("filtered", "-filter", 'attributes.kind = "k1" OR (attributes:big AND NOT hasPrefix(attributes.kind, "k"))')
        with open(folder + "/lines", "w", encoding="ascii") as lines:
            for i in range(300):
                lines.write('{"data": "%09d x", "attributes": {"kind": "%s"%s}}\n' % (i, "k%d" % (i % 3) if i % 2 else "other", ', "big": ""' if i % 4 == 0 else ""))
        go("publish", "-topic", topic, "-lines", folder + "/lines")
        wished = {i for i in range(300) if (i % 2 and i % 3 == 1) or i % 4 == 0}
        got = go("receive", "-sub", sub, "-n", len(wished), "-idle", "3s", "-least", len(wished), "-log", folder + "/log")
        same("received", (got["received"], set(numbers_in(folder + "/log"))), (len(wished), wished))
        holds("a wrong filter is refused", "InvalidArgument" in go.fails("sub", "-topic", topic, "-sub", "wrong", "-filter", "attributes.kind = 1"))


def sought(folder):
    """Back in time, to a snapshot over a SIGKILL, and away from the topic."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("sought", "-retain")
        go("publish", "-topic", topic, "-n", 1000, "-size", 100)
        same("acked", go("receive", "-sub", sub, "-n", 1000)["acked"], 1000)
        made = go("seek", "-sub", sub, "-make-snapshot", "done")
        holds("a snapshot lives 7 days", 6.9 < made["days"] <= 7.01, made)
        go("publish", "-topic", topic, "-n", 50, "-first", 1000, "-size", 100)
        go("seek", "-sub", sub, "-ago", "1h")
        got = go("receive", "-sub", sub, "-n", 1050, "-expect", 1050)
        complete(got, 1050)
        broker.restart()
        go("seek", "-sub", sub, "-snapshot", "done")
        got = go("receive", "-sub", sub, "-idle", "2s", "-least", 50, "-first", 1000, "-expect", 50)
        complete(got, 50)
        go("seek", "-sub", sub, "-detach")
        go("publish", "-topic", topic, "-n", 1)
        holds("detached", "FailedPrecondition" in go.fails("pull", "-sub", sub))


def faults_on_order(folder):
    """--faults: a publisher and a subscriber live through errors, slow answers and streams that end."""
    interop.go_peer()
    faults = folder + "/faults"
    with open(faults, "w", encoding="ascii") as file:
        file.write("fail Publish 3 UNAVAILABLE\nslow Acknowledge 5 200\nfail StreamingPull 2 UNAVAILABLE\n")
    with interop.Broker(folder + "/broker", "--faults", faults, "--stream-age", "1s") as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("faults")
        sent = go("publish", "-topic", topic, "-n", 2000, "-size", 100)
        same("published", (sent["published"], sent["failed"]), (2000, 0))
        receiving = go.start("receive", "-sub", sub, "-n", 2000, "-expect", 2000, "-work", "100ms", "-outstanding", 100, "-log", folder + "/log")
        wait_for("messages flow", lambda: len(numbers_in(folder + "/log")) > 100, 60)
        with open(faults + ".new", "w", encoding="ascii") as file:
            file.write("drop\nfail Acknowledge 2 UNAVAILABLE\n")
        os.rename(faults + ".new", faults)
        complete(go.end(receiving), 2000)


def settings_are_kept(folder):
    """What a topic and a subscription are told, changed and asked again; their IAM policies; lists page by page; a topic that goes."""
    with serve(folder) as broker:
        go = interop.go_client(broker)
        got = go("settings", "-topic", "kept", "-sub", "kept-sub")
        same("topic", got["topic"], {"labels": {"team": "blue"}, "key": KEY, "regions": ["europe-west1"], "labels_after": 0, "regions_after": ["us-east1", "us-west1"],
                                     "key_after": KEY, "no_regions": "InvalidArgument"})
        steps = [(10, False, 7 * DAY, 0, 31 * DAY, False), (120, True, 7200, 0, 25 * 3600, False), (120, True, 7200, 1, 25 * 3600, True),
                 (120, False, 7200, 0, 25 * 3600, False), (120, False, 7 * DAY, 0, 0, False)]
        same("subscription", [tuple(step[k] for k in ("ack_s", "retain", "retention_s", "labels", "expires_s", "dead_letters")) for step in got["sub"]], steps)
        same("policies", got["policies"], 2 * [{"roles": 0, "had": True, "too_early": "Aborted", "roles_after": 0, "granted": 2}])
        same("topics", (got["topics"], got["pages"]), (["kept", "kept-page-a", "kept-page-b", "kept-page-c"], 2))
        same("without its topic", got["deleted"], "_deleted-topic_")


# What is not named here is InvalidArgument.
CODES = {"attributes alone": "OK", "1,000 messages": "OK", "10 MB": "OK", "4 attempts": "OutOfRange", "101 attempts": "OutOfRange", "dead letters nowhere": "NotFound",
         "push": "Unimplemented", "nowhere": "NotFound", "again": "AlreadyExists", "acked nowhere": "NotFound", "acked garbage": "OK", "pulled nowhere": "NotFound",
         "sought a snapshot that is not there": "NotFound", "turned to push": "Unimplemented", "turned to pull": "OK", "a stream": "OK", "a stream of nobody": "NotFound"}


def wrong_requests_are_refused(folder):
    with serve(folder) as broker:
        go = interop.go_client(broker)
        topic, sub = go.make("refusing")
        got = go("refused", "-topic", topic, "-sub", sub)["codes"]
        same("asked", len(got), 51)
        same("otherwise than thought", {what: code for what, code in got.items() if code != CODES.get(what, "InvalidArgument")}, {})


# The emulator keeps no retry policy, answers no pings, adds no attributes to dead letters and keeps the leases of a dead client.
EVERY_SERVER = [nacked_once, lease_expires, deadline_zero, big_messages, a_quiet_stream_lives, what_is_not_there]
OURS = [nothing_is_lost_by_a_kill, kills_while_publishing, kills_while_receiving, client_is_killed, dead_letters, retry_backoff, pings_are_answered, keys_in_order, nack_of_a_key,
        stale_ack_ids, filtered, sought, faults_on_order, settings_are_kept, wrong_requests_are_refused]

if __name__ == "__main__":
    sys.exit(interop.run_cases(EVERY_SERVER if REFERENCE else OURS + EVERY_SERVER, __doc__))
