# SPDX-License-Identifier: MIT
# For tests/deploy/run, which sources it: one machine with real systemd as process 1, from a Debian root, with
# capturepi, pullpi and deploypi of this tree installed in it. tests/contain ends it.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
src=$(cd "$here/../.." && pwd)
work=$("$src/tests/work")/deploy
T=$(mktemp -d)
passed=0 failed=0
nspawn=

say() {
	printf '== %4d s  %s\n' "$SECONDS" "$*"
}
die() {
	echo "tests/deploy: $*" >&2
	exit 1
}
check() { # NAME COMMAND...; what the last `pi` or `deploypi` printed is shown if it fails
	local name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED $suite: $name"
		tail -n 20 "$T/out" "$T/err" 2>/dev/null | sed 's/^/    | /'
	fi
}
wait_for() { # SECONDS COMMAND...: a deadline against hangs, not a measure
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# The tree as this Debian builds it, below $work/$suite/dest. Later runs only build what changed.
# Under a lock, which machine_make takes too: another step builds in the same folder.
programs_build() {
	mkdir -p "$work/$suite"
	flock "$work/$suite/lock" "$src/tests/root/run" -b "$work/$suite" "$cached_root" -- sh -c '
		[ -e build/build.ninja ] || meson setup --werror -Dtests=false --prefix=/usr build /src || exit
		ninja -C build && rm -rf dest && DESTDIR=/build/dest meson install -C build --no-rebuild' \
		>"$work/$suite/log" 2>&1 || { tail -n 30 "$work/$suite/log"; return 1; }
}

machine_make() {
	mkdir -p "$T"/{upper,work,root}
	mount -t overlay -o "lowerdir=$cached_root,upperdir=$T/upper,workdir=$T/work" overlay "$T/root" \
		2>/dev/null || cp -a --reflink=auto "$cached_root/." "$T/root" || return
	flock "$work/$suite/lock" cp -a "$work/$suite/dest/." "$T/root/" || return
	echo deploy >"$T/root/etc/hostname"
	tr -d - </proc/sys/kernel/random/uuid >"$T/root/etc/machine-id"
	chroot "$T/root" useradd --create-home --shell /bin/bash --groups video pi
}

# A control group of its own.
cgroup_make() {
	[ -n "$CONTAIN_CGROUP" ] || { echo "no cgroup2 is mounted here"; return 1; }
	cgroup=$CONTAIN_CGROUP/deploy$$
	mkdir -p "$cgroup"
}

machine_boot() {
	(
		echo "$BASHPID" >"$cgroup/cgroup.procs" || exit
		export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_LOCK=0
		exec systemd-nspawn --quiet --boot --keep-unit --register=no --console=pipe --private-network \
			--resolv-conf=off --timezone=off --machine=deploy --directory="$T/root"
	) </dev/null >>"$T/console" 2>&1 &
	nspawn=$!
	wait_for 60 is_up || { tail -n 20 "$T/console"; return 1; }
}
machine_reboot() {
	on systemctl poweroff
	wait "$nspawn"
	machine_boot
}
is_up() {
	on systemctl is-system-running 2>/dev/null | grep -qE '^(running|degraded)$'
}
on() { # COMMAND...: as root in the machine
	local leader
	leader=$(pgrep -P "${nspawn:-0}") || { echo "the machine is off"; return 1; }
	"$src/tests/root/enter" "$leader" "$@"
}
# As the user with no session and nothing of one in the environment, like cron. Through a transient system
# service: logind wants to know the control group of who asks, and ours is outside the machine.
pi() { # COMMAND...
	on systemd-run --quiet --pipe --wait --collect --uid=pi --working-directory=/home/pi \
		--setenv=HOME=/home/pi -- "$@"
}
# The same for a person who types systemctl, which does need the folder.
manager() { # systemctl's arguments
	on setpriv --reuid pi --regid pi --init-groups env XDG_RUNTIME_DIR=/run/user/1000 \
		systemctl --user --no-pager "$@"
}
deploypi() { # ARGUMENT...: exit status in $rc, output in $T/out and $T/err
	pi deploypi "$@" >"$T/out" 2>"$T/err" </dev/null
	rc=$?
}

machine_down() {
	# all of the group: without its systemd-nspawn the machine would live on
	[ -z "$nspawn" ] || { echo 1 >"$cgroup/cgroup.kill"; wait "$nspawn"; nspawn=; } 2>/dev/null
	if [ -n "${cgroup-}" ] && [ -d "$cgroup" ]; then
		for _ in $(seq 100); do # what was in it dies with its process 1
			find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
			[ -d "$cgroup" ] || break
			sleep 0.1
		done
	fi
	! mountpoint -q "$T/root" || umount "$T/root" || umount -l "$T/root"
	rm -rf --one-file-system "$T"/{upper,work,root,console,out,err}
}
