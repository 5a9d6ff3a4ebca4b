#!/usr/bin/env bash
# Who serves: the broker alone with workers on it, one worker at a time, ports in use, emulators, signals, and what systemd is told.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

address() {
    sed -n 's/^{"listening":"\(.*\)"}$/\1/p' "$1"
}

start_broker() {
    behind broker broker --listen "127.0.0.1:$port" --path state/broker
    until_has broker.out listening
}

# Everything finds it by the lock of its directory.
alone() {
    start_broker
    expect 0 init
    says "nothing was missing"
    input=messages/orders_raw.ndjson expect 0 publish --topic orders-raw-complete
    expect 0 status -o json
    has '"backlog":24,'
    expect 0 run --until-idle 300ms
    has '"received":24,'
    expect 75 broker --path state/broker --listen 127.0.0.1:0
    says "held by process $process $(address broker.out)"
}

port_in_use() {
    expect 75 broker --path elsewhere --listen "$(address broker.out)"
    says "$(address broker.out)"
    expect 75 --set bus.path=elsewhere --set bus.listen="$(address broker.out)" run --until-idle 1s
    says "$(address broker.out)"
    expect 0 --set bus.path=elsewhere --set bus.listen="$(address broker.out)" init # brief: any port will do
}

emulator() {
    local host
    host=$(address broker.out)
    input=messages/daily_sales.ndjson
    PUBSUB_EMULATOR_HOST=http://$host expect 0 --set bus.type=emulator --set bus.project=sluice-local publish --topic daily-sales-complete
    PUBSUB_EMULATOR_HOST=$host expect 0 --set bus.type=emulator --set bus.project=sluice-local run --until-idle 300ms
    has '"received":12,'
    input=
    expect 2 --set bus.type=emulator --set bus.project=p run
    says "PUBSUB_EMULATOR_HOST (host:port) is not set"
    PUBSUB_EMULATOR_HOST=nonsense expect 2 --set bus.type=emulator --set bus.project=p run
    says "expected host:port"
    PUBSUB_EMULATOR_HOST=127.0.0.1:1 expect 75 --set bus.type=emulator --set bus.project=p --set ledger.path=new/ledger.db init
    says "state and tables are there"
    says "nothing answers at 127.0.0.1:1 (PUBSUB_EMULATOR_HOST)"
    has "new/ledger.db"
    PUBSUB_EMULATOR_HOST=127.0.0.1:1 expect 2 --set bus.type=pubsub --set bus.project=p run
    says "unset it"
    GOOGLE_APPLICATION_CREDENTIALS=none.json expect 2 --set bus.type=pubsub --set bus.project=p publish --topic t
    says "none.json"
    PUBSUB_EMULATOR_HOST=127.0.0.1:1 expect 0 run --until-idle 0s
    says "PUBSUB_EMULATOR_HOST is ignored"
}

# Whoever is connected takes over: here the worker, when the broker has left.
left_alone() {
    local broker=$process
    begin run --log info
    until_has begun.err '"served_by":"another"'
    kill -TERM "$broker"
    wait "$broker"
    equal "exit code of the broker" "$?" 0
    until_has begun.err "this one serves now"
    expect 0 complete orders_raw 2025-03-12 --processor orders --status running
}

one_worker() {
    expect 75 run --until-idle 1s
    says "another worker has this ledger"
    expect 0 status
}

told_to_stop() {
    kill -TERM "$process"
    ended 0
    says "stopped"
    begin run --until-idle 1h --log info
    until_has begun.err '"served_by":"this process"'
    kill -INT "$process"
    ended 130
    has '"received":'
    start_broker
    kill -INT "$process"
    wait "$process"
    equal "exit code of the broker after SIGINT" "$?" 130
    process=
}

# READY=1, WATCHDOG=1 at half of its time, STOPPING=1.
notified() {
    python3 - "$PWD/notify" >notify.out <<'PYTHON' &
import socket, sys
peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
peer.bind(sys.argv[1])
peer.settimeout(60)
print("listening", flush=True)
while True:
    text = peer.recv(100).decode()
    print(text, flush=True)
    if text == "STOPPING=1":
        break
PYTHON
    local listener=$!
    until_has notify.out "listening"
    NOTIFY_SOCKET=$PWD/notify WATCHDOG_USEC=600000 begin run
    until_has notify.out "READY=1"
    until_has notify.out "WATCHDOG=1"
    kill -TERM "$process"
    ended 0
    wait "$listener"
    equal "the order" "$(uniq notify.out | tr '\n' ' ')" "listening READY=1 WATCHDOG=1 STOPPING=1 "
}

port=$(own_port)
make_season
alone
port_in_use
emulator
left_alone
one_worker
told_to_stop
notified
finish
