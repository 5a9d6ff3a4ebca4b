#!/usr/bin/env bash
# deploy/sluice.service under a systemd of its own, in namespaces: it starts with all its restrictions and says that it is ready, takes completions, comes back when it is killed or hangs,
# and stops in time. Needs root, systemd and overlayfs; where they aren't, it says so and is skipped.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

skip() {
    echo "skipped: $1"
    exit 77
}

# Everything that is mounted goes with this namespace.
if [[ ${1:-} != inside ]]; then
    [[ $(id -u) == 0 ]] || skip "it takes root"
    [[ -x /lib/systemd/systemd ]] || skip "there is no systemd here"
    SLUICE=$(realpath "${SLUICE:?the binary to test}") exec unshare --mount bash "${BASH_SOURCE[0]}" inside
fi
source "$root/tests/cli/harness.sh"
mount --make-rprivate / || skip "nothing can be mounted here"

group=$directory/cgroup/sluice-unit.$$
machine=$directory/root
boot=
end() {
    local id tries=0
    [[ $BASHPID == "$$" ]] || return 0
    if [[ -n $boot ]]; then
        kill -KILL "$boot" 2>/dev/null
        wait "$boot" 2>/dev/null
    fi
    until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || ((++tries > 100)); do
        read -rt 0.05 <> <(:) || true
    done
    umount -l "$machine" "$directory/cgroup" 2>/dev/null
    clean_up
}
trap end EXIT

# The machine's own files under a layer of ours.
make_machine() {
    local upper=$directory/upper
    mkdir -p cgroup root work "$upper/etc/systemd/system" "$upper/etc/sluice" "$upper/usr/bin"
    mount -t cgroup2 none cgroup || skip "there are no cgroups (v2) here"
    mkdir "$group" || skip "no cgroup can be made here"
    install -m 0755 "$SLUICE" "$upper/usr/bin/sluice"
    sed 's/^WatchdogSec=.*/WatchdogSec=4s/; s/^RestartSec=.*/RestartSec=1s/' "$root/deploy/sluice.service" >"$upper/etc/systemd/system/sluice.service"
    sed 's#\(path: \)\(\./\)\?state/#\1/var/lib/sluice/#; s/127.0.0.1:8085/127.0.0.1:0/' "$root/deploy/demo.yaml" >"$upper/etc/sluice/sluice.yaml"
    printf '[Unit]\nRequires=systemd-journald.service\nAfter=systemd-journald.service\n' >"$upper/etc/systemd/system/alone.target"
    chmod -R go+rX "$upper"
    chmod 755 "$directory"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$upper,workdir=$directory/work" root || skip "there is no overlayfs here"
    cat >boot.sh <<'END'
set -e
cd "$1"
mount -t proc proc proc
mount -t cgroup2 none sys/fs/cgroup 2>/dev/null || { mount -t sysfs sysfs sys; mount -t cgroup2 none sys/fs/cgroup; }
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev # nothing is left in that of the machine around it
for node in null zero full random urandom tty; do
    : >"dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p oldroot
pivot_root . oldroot
cd /
umount -l /oldroot
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=alone.target --log-target=journal --show-status=0
END
}

start_machine() {
    bash -c 'echo $$ >"$1/cgroup.procs" && exec unshare --mount --pid --cgroup --uts --ipc --fork --kill-child bash boot.sh "$2"' - "$group" "$machine" >boot.out 2>&1 &
    boot=$!
}

# within COMMAND...: in the machine.
within() {
    nsenter -t "$(pgrep -P "$boot")" -m -p -u -i -r -w timeout 60 "$@"
}

until_true() {
    local tries=0
    until "$@"; do
        ((++tries < 600)) || return 1
        read -rt 0.05 <> <(:) || true
    done
}

is_up() {
    [[ $(within systemctl is-active alone.target 2>/dev/null) == active ]]
}

# has_state NAME VALUE: of the unit
has_state() {
    [[ $(within systemctl show sluice -p "$1" --value) == "$2" ]]
}

came_back() {
    has_state NRestarts "$1" && has_state SubState running
}

check() {
    checks=$((checks + 1))
    last="$*"
    "$@" || {
        out=$(within systemctl status sluice --no-pager -l 2>&1)
        errs=$(within journalctl -u sluice --no-pager 2>&1 | tail -20)
        fail "it does not"
    }
}

make_machine
start_machine
until_true is_up || skip "systemd does not come up here: $(head -c 300 boot.out)"
check within systemctl start sluice
check has_state SubState running
within env SLUICE_CONFIG=/etc/sluice/sluice.yaml sluice complete orders_raw 2025-03-06 --processor orders --status success >/dev/null
check until_true within bash -c 'SLUICE_CONFIG=/etc/sluice/sluice.yaml sluice gates -o ndjson | grep -q 2025-03-06'
within systemctl kill -s KILL sluice
check until_true came_back 1
within systemctl kill -s STOP sluice
check until_true came_back 2
check within systemctl stop sluice
check has_state Result success
check has_state ExecMainStatus 0
finish
