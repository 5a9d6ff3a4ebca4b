#!/usr/bin/env bash
# bus.type pubsub from end to end: our broker behind TLS, with certificates and an endpoint for tokens that are made here.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"
unset GOOGLE_APPLICATION_CREDENTIALS GCE_METADATA_HOST CLOUDSDK_CONFIG GRPC_DEFAULT_SSL_ROOTS_FILE_PATH http_proxy https_proxy HTTPS_PROXY
export HOME=$PWD NO_PROXY='*'
# What gRPC's threads hold of OpenSSL's when a process ends counts as leaked; the tests of TLS in C look for leaks.
export ASAN_OPTIONS=detect_leaks=0

secrets=(ya29.the-token-that-nobody-may-see THE-CLIENT-SECRET THE-REFRESH-TOKEN)
broker=
peers=
stop_all() {
    local id
    for id in $broker $peers; do
        kill -KILL "$id" 2>/dev/null
        wait "$id" 2>/dev/null
    done
    clean_up
}
trap stop_all EXIT

# ---- certificates ----

authority() {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.pem" -days 2 -subj "/CN=$1" 2>/dev/null
}

# leaf NAME AUTHORITY HOST [ARGS of x509]
leaf() {
    local name=$1 by=$2 host=$3
    shift 3
    openssl req -newkey rsa:2048 -nodes -keyout "$name.key" -out "$name.csr" -subj "/CN=$name" 2>/dev/null
    openssl x509 -req -in "$name.csr" -CA "$by.pem" -CAkey "$by.key" -CAcreateserial -out "$name.pem" \
        -extfile <(echo "subjectAltName=DNS:$host") "$@" 2>/dev/null
}

make_certificates() {
    authority ours
    authority other
    leaf good ours localhost -days 2
    leaf expired ours localhost -days -1
    leaf elsewhere ours pubsub.example.com -days 2
    leaf unknown other localhost -days 2
    openssl req -x509 -newkey rsa:2048 -nodes -keyout self.key -out self.pem -days 2 -subj /CN=self -addext subjectAltName=DNS:localhost 2>/dev/null
}

port_of() {
    sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" peers.out
}

start_broker() {
    "$SLUICE" broker --listen "$1" --path state/broker >broker.out 2>broker.err &
    broker=$!
    until_has broker.out listening
}

start_peers() {
    local name places=()
    start_broker "127.0.0.1:$(own_port)"
    for name in good expired elsewhere unknown self; do
        places+=("$name=$name.pem:$name.key")
    done
    echo ok >mode
    : >tokens.log
    python3 "$root/tests/cli/cloud_peers.py" "$(sed -n 's/.*:\([0-9]*\)".*/\1/p' broker.out)" mode tokens.log "${places[@]}" >peers.out 2>peers.err &
    peers=$!
    until_has peers.out http
    cat >user.json <<END
{"type": "authorized_user", "client_id": "client", "client_secret": "${secrets[1]}", "refresh_token": "${secrets[2]}",
 "token_uri": "http://127.0.0.1:$(port_of http)/token"}
END
    export GOOGLE_APPLICATION_CREDENTIALS=user.json
}

# cloud CODE CERTIFICATE ARGS...
cloud() {
    local code=$1 certificate=$2
    shift 2
    expect "$code" --set bus.type=pubsub --set bus.project=sluice-local --set bus.ca=ours.pem \
        --set bus.endpoint="localhost:$(port_of "$certificate")" "$@"
    no_secrets
}

no_secrets() {
    local secret
    for secret in "${secrets[@]}"; do
        checks=$((checks + 1))
        [[ $out$errs != *"$secret"* ]] || fail "a secret is said: $secret"
    done
}

# ---- cases ----

end_to_end() {
    cloud 0 good init
    says "nothing was missing"
    input=messages/orders_raw.ndjson cloud 0 good publish --topic orders-raw-complete
    cloud 0 good run --until-idle 300ms
    has '"received":24,'
    has '"acked":24,'
    checks=$((checks + 1))
    grep -q 'POST /token ok' tokens.log || fail "no token was asked for"
    cloud 0 good --set bus.streams=3 --set bus.connections=2 --set bus.compress=true config show
}

# What every client has sent is written down.
all_left() {
    local tries=0
    checks=$((checks + 1))
    until (($(grep -c ^client tokens.log) == $(grep -c ^bytes tokens.log))); do
        if ((++tries > 2400)); then
            fail "a client never left"
            return
        fi
        read -rt 0.05 <> <(:) || true
    done
}

# bytes_of ARGS...: what a client that publishes sends, in plaintext.
bytes_of() {
    local before
    all_left
    before=$(grep -c ^bytes tokens.log)
    input=messages/orders_raw.ndjson cloud 0 good "$@" publish --topic orders-raw-complete
    all_left
    bytes=$(sed -n 's/^bytes //p' tokens.log | tail -n "+$((before + 1))" | sort -n | tail -n 1) # the most: the publisher's, not those of the look at the topic
}

compressed() {
    local bytes plain
    bytes_of --set bus.compress=false
    plain=$bytes
    bytes_of --set bus.compress=true
    checks=$((checks + 1))
    ((bytes * 2 < plain)) || fail "$bytes bytes compressed, $plain not"
    cloud 0 good run --until-idle 300ms
    has '"duplicates":48,'
}

# GCE_METADATA_HOST is honoured, and only asked when no file is there.
by_metadata() {
    input=messages/daily_sales.ndjson
    GOOGLE_APPLICATION_CREDENTIALS='' GCE_METADATA_HOST="127.0.0.1:$(port_of http)" cloud 0 good publish --topic daily-sales-complete
    input=
    checks=$((checks + 1))
    grep -q 'GET /computeMetadata/v1/instance/service-accounts/default/token ok' tokens.log || fail "the metadata server was not asked"
}

# gRPC's own traces print headers: whoever asks for them gets none that has a token in it.
traced() {
    export GRPC_VERBOSITY=debug GRPC_TRACE=all
    cloud 0 good --log debug publish --topic daily-sales-complete
    unset GRPC_VERBOSITY GRPC_TRACE
    says "gRPC's traces are off"
}

# An emulator, and our own broker, never hear of credentials.
emulator_gets_no_token() {
    local before
    before=$(grep -c token tokens.log)
    PUBSUB_EMULATOR_HOST=127.0.0.1:${broker_port:=$(sed -n 's/.*:\([0-9]*\)".*/\1/p' broker.out)} \
        expect 0 --set bus.type=emulator --set bus.project=sluice-local init
    equal "requests for tokens" "$(grep -c token tokens.log)" "$before"
}

bad_certificates() {
    local certificate words
    while IFS=: read -r certificate words; do
        cloud 4 "$certificate" publish --topic orders-raw-complete
        says "$words"
        cloud 4 "$certificate" run --until-idle 300ms
        says "$words"
    done <<END
expired:certificate has expired
elsewhere:subject name matches target host name 'localhost'
unknown:unable to get local issuer certificate
self:self-signed certificate
END
    expect 2 --set bus.type=pubsub --set bus.project=p --set bus.ca=user.json publish --topic t
    says "bus.ca"
    says "holds no certificate in PEM"
    GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=none.pem expect 2 --set bus.type=pubsub --set bus.project=p publish --topic t
    says "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
    expect 2 --set bus.type=pubsub --set bus.project=p --set bus.endpoint=localhost publish --topic t
    says "expected host:port"
}

bad_credentials() {
    GOOGLE_APPLICATION_CREDENTIALS=none.json cloud 2 good publish --topic t
    says "none.json"
    GOOGLE_APPLICATION_CREDENTIALS=good.key cloud 2 good publish --topic t
    says "good.key is no JSON object"
    echo refused >mode
    cloud 4 good publish --topic orders-raw-complete
    says "invalid_grant: Token has been revoked."
    cloud 4 good run --until-idle 300ms
    says "invalid_grant: Token has been revoked."
    echo down >mode
    cloud 75 good publish --topic orders-raw-complete
    says "HTTP 503"
    echo ok >mode
}

begin_cloud() {
    begin --set bus.type=pubsub --set bus.project=sluice-local --set bus.ca=ours.pem --set bus.endpoint="localhost:$(port_of good)" "$@"
}

# A worker waits for a token's server that is away, and goes on when it is back.
outage() {
    input=messages/orders_raw.ndjson cloud 0 good publish --topic orders-raw-complete
    input=
    echo down >mode
    begin_cloud run --until-idle 300ms
    until_has begun.err "no token for Google Cloud"
    echo ok >mode
    ended 0
    no_secrets
    has '"received":36,' # and what was published by the metadata server's token
}

is_alive() {
    kill -0 "$process" 2>/dev/null
}

# Credentials that are taken away end it, with a sentence, once a token is needed: here, for a stream that is opened again when the one before has ended.
revoked() {
    local address tries=0 looks
    address=$(sed -n 's/.*"listening":"\(.*\)".*/\1/p' broker.out)
    echo short >mode
    begin_cloud run
    until_has tokens.log short
    echo refused >mode
    while is_alive && ((++tries <= 20)); do
        kill -KILL "$broker"
        wait "$broker" 2>/dev/null
        start_broker "$address"
        for ((looks = 0; looks < 20; looks++)); do
            is_alive || break
            read -rt 0.1 <> <(:) || true
        done
    done
    is_alive && kill -KILL "$process"
    ended 4
    no_secrets
    says "invalid_grant: Token has been revoked."
}

make_season
make_certificates
start_peers
end_to_end
compressed
by_metadata
traced
emulator_gets_no_token
bad_certificates
bad_credentials
outage
revoked
finish
