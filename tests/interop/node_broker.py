#!/usr/bin/env python3
"""The official Node client on `sluice broker`, in small: publish, streaming pull, ack, nack, exactly once, order, filters, seeking, SIGKILL of the broker, a quiet
stream."""

import json
import sys

import interop
from interop import holds, numbers_in, same


OUT = 5 * 200  # streams of a Node subscriber, and what each may hold in the slow case


def serve(folder):
    interop.node_peer()
    return interop.Broker(folder + "/broker")


def publish_and_receive(folder):
    with serve(folder) as broker:
        node = interop.node_client(broker)
        made = node("make", "node-topic", "node-sub", "node-dead", 7)
        same("made", made, {"topic": "projects/interop/topics/node-topic", "ack_deadline_s": 10, "attempts": 7})
        same("published", node("publish", "node-topic", 2000, 400), {"published": 2000, "distinct_ids": 2000})
        broker.restart()
        got = node("receive", "node-sub", 2000, "nack-once", 20)
        same("received", {k: got[k] for k in ("received", "distinct", "acked", "nacked", "nacked_again", "bad", "errors")},
             {"received": 2020, "distinct": 2000, "acked": 2000, "nacked": 20, "nacked_again": 20, "bad": 0, "errors": []})
        broker.restart()
        same("left", interop.go_client(broker)("pull", "-sub", "node-sub")["received"] if has_go() else 0, 0)


def has_go():
    try:
        return bool(interop.go_peer())
    except interop.Skip:
        return False


def broker_is_killed(folder):
    """In the middle of a stream: the client reconnects, nothing is missing."""
    with serve(folder) as broker:
        node = interop.node_client(broker)
        node("make", "node-kill", "node-kill-sub")
        node("publish", "node-kill", 5000, 100)
        receiving = node.start("receive", "node-kill-sub", 5000, "slowly", 150, folder + "/log")
        for least in (100, 1000, 2000):
            interop.wait_for("messages flow", lambda least=least: len(numbers_in(folder + "/log")) > least, 60)
            broker.restart()
        got = node.end(receiving)
        same("acked, bad, errors", (got["acked"], got["bad"], got["errors"]), (5000, 0, []))
        holds("what was out at a kill comes again, and no more", 5000 < got["received"] <= 5000 + 3 * OUT, got)


def exactly_once(folder):
    """Every ack is answered, and only one of a message says that it is done: with nacks, and over a SIGKILL in the middle."""
    with serve(folder) as broker:
        node = interop.node_client(broker)
        node("make", "node-once", "node-once-sub", "-", 0, json.dumps({"enableExactlyOnceDelivery": True}))
        node("publish", "node-once", 1000, 100)
        got = node("receive", "node-once-sub", 1000, "once", 20)
        same("acked, refused, nacked, came again", [got[k] for k in ("acked", "refused", "nacked", "nacked_again")], [1000, 0, 20, 20])
        node("publish", "node-once", 2000, 100)
        receiving = node.start("receive", "node-once-sub", 2000, "once", 0, folder + "/log", 90000)  # what was out at the kill may be leased for a minute
        interop.wait_for("messages flow", lambda: len(numbers_in(folder + "/log")) > 100)
        broker.restart()
        got = node.end(receiving)
        same("acked, and each once", (got["acked"], len(numbers_in(folder + "/log")) - got["refused"]), (2000, 2000))
        same("left", node("receive", "node-once-sub", 1, "ack", 0, "-", 3000)["received"], 0)


def keys_in_order(folder):
    with serve(folder) as broker:
        node = interop.node_client(broker)
        node("make", "node-order", "node-order-sub", "-", 0, json.dumps({"enableMessageOrdering": True}))
        node("publish", "node-order", 2000, 100, 20)
        got = node("receive", "node-order-sub", 2000, "nack-once", 10)
        same("acked, nacked again, early, errors", (got["acked"], got["nacked_again"], got["early"], got["errors"]), (2000, 10, 0, []))


def filtered_and_sought(folder):
    with serve(folder) as broker:
        node = interop.node_client(broker)
        node("make", "node-seek", "node-seek-sub", "-", 0, json.dumps({"filter": 'hasPrefix(attributes.number, "1")', "retainAckedMessages": True}))
        node("publish", "node-seek", 200, 50)
        same("matching", node("receive", "node-seek-sub", 111, "ack", 0, "-")["acked"], 111)
        same("made", node("seek", "node-seek-sub", "all-done")["made"], True)
        node("seek", "node-seek-sub", 60)
        same("again", node("receive", "node-seek-sub", 11, "ack", 0, "-")["received"] >= 11, True)
        same("used", node("seek", "node-seek-sub", "all-done")["made"], False)
        same("left", node("receive", "node-seek-sub", 1, "ack", 0, "-", 3000)["received"], 0)


def big_messages(folder):
    with serve(folder) as broker:
        node = interop.node_client(broker)
        node("make", "node-big", "node-big-sub")
        node("publish", "node-big", 10, 3000000)
        got = node("receive", "node-big-sub", 10)
        same("received", (got["acked"], got["bad"], got["errors"]), (10, 0, []))


def a_quiet_stream_lives(folder):
    """Longer than the client's ping period; the message comes before it would look again."""
    with serve(folder) as broker:
        node = interop.node_client(broker)
        node("make", "node-quiet", "node-quiet-sub")
        got = node("quiet", "node-quiet-sub", "node-quiet", 35)
        holds("the message comes at once, without an error", got["late_ms"] < 12000 and not got["errors"], got)


# gRPC's numbers: INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, UNIMPLEMENTED
CODES = {"topic again": 6, "sub again": 6, "no such topic": 5, "no such sub": 5, "empty message": 3, "attributes alone": 0, "too big": 3, "9 s": 3, "wrong filter": 3, "push": 12,
         "push later": 12, "pull as before": 0, "filter later": 3, "order later": 3, "schema": 12, "schemas": 12, "short name": 3, "reserved name": 3, "no such snapshot": 5}


def settings_are_kept_or_refused(folder):
    """What a topic and a subscription are told, changed and asked again; their IAM policies; what is refused, and with which code."""
    with serve(folder) as broker:
        got = interop.node_client(broker)("settings", "kept", "kept-sub")
        same("topic", got["topic"], {"state": "ACTIVE", "labels": {"team": "blue"}, "retention_s": 3600, "regions": ["europe-west1"]})
        same("subscription", got["sub"], {"state": "ACTIVE", "backoff_s": [15, 600], "ttl_s": 864000, "topic_retention_s": 3600, "ttl_after": None, "retention_s": 259200,
                                          "labels": {"a": "b"}, "attempts": 10, "end": [None, None, {}, 45, True, 'attributes.a = "b"']})
        for kind, policy in zip(("topics", "subscriptions"), got["policies"]):
            same("policy of " + kind, policy, {"bindings": 0, "version": 0, "same": True, "stale": 10, "granted": {"pubsub.%s.%s" % (kind, right): True for right in ("get", "update")}})
        same("codes", got["codes"], CODES)
        same("detached, and without its topic", (got["detached"], got["deleted"]), (True, "_deleted-topic_"))


if __name__ == "__main__":
    sys.exit(interop.run_cases([publish_and_receive, broker_is_killed, exactly_once, keys_in_order, filtered_and_sought, big_messages, settings_are_kept_or_refused, a_quiet_stream_lives],
                               __doc__))
