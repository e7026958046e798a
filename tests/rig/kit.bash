# SPDX-License-Identifier: MIT
# For tests/rig/run, tests/rig/shell and others, which source it with `suite` set: two machines with real systemd as
# process 1, from Debian roots, and a NAT router between them.
#
#   capturepi 10.77.1.2 ---- 10.77.1.1 nat 10.77.2.1 ---- 10.77.2.2 pullpi
#                                port 2222 leads to capturepi's sshd
#
# Each machine is an overlay on a cached root, booted by systemd-nspawn in a network namespace of its own; its
# /home is a folder of this machine's disk. The user of both is `pi`. tests/contain ends it all.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
src=$(cd "$here/../.." && pwd)
work=$("$src/tests/work")/rig
passed=0 failed=0
declare -A nspawn=() # machine -> pid of what runs its systemd-nspawn
declare -A owner=()  # machine -> its user, if it is not pi any more
if [ -n "${RIG_ATTACH-}" ]; then # the machines of another process
	. "$RIG_ATTACH/state"
else
	id=rig
	T=$(mktemp -d)
fi

say() {
	printf '== %4d s  %s\n' "$SECONDS" "$*"
}
die() {
	echo "tests/rig: $*" >&2
	exit 1
}
check() { # NAME COMMAND...; what the command prints is shown if it fails
	local name=$1
	shift
	if "$@" >"$T/out" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED $name"
		tail -n 12 "$T/out" | sed 's/^/    | /'
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

# ---- the network

in_net() { # MACHINE COMMAND...
	local machine=$1
	shift
	ip netns exec "$id-$machine" "$@"
}

network_up() {
	local machine n=0
	for machine in capturepi nat pullpi; do
		ip netns add "$id-$machine" && ip -n "$id-$machine" link set lo up || return
	done
	for machine in capturepi pullpi; do
		n=$((n + 1))
		ip -n "$id-nat" link add "net$n" type veth peer name net0 netns "$id-$machine" &&
			ip -n "$id-nat" address add "10.77.$n.1/24" dev "net$n" &&
			ip -n "$id-nat" link set "net$n" up &&
			ip -n "$id-$machine" address add "10.77.$n.2/24" dev net0 &&
			ip -n "$id-$machine" link set net0 up &&
			ip -n "$id-$machine" route add default via "10.77.$n.1" || return
	done
	in_net nat sysctl -qw net.ipv4.ip_forward=1 net.netfilter.nf_conntrack_tcp_loose=0
	# as a home router: what it does not know it drops without a word
	in_net nat nft -f - <<-END
		table ip nat {
			chain prerouting {
				type nat hook prerouting priority dstnat;
				iifname "net2" tcp dport 2222 dnat to 10.77.1.2:22
			}
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname "net2" masquerade
			}
		}
		table ip filter {
			chain forward {
				type filter hook forward priority filter;
				ct state invalid drop
			}
			chain input {
				type filter hook input priority filter;
				ct state invalid drop
				tcp dport 2222 drop
			}
		}
	END
}
link() { # up|down: CapturePi's
	ip -n "$id-nat" link set net1 "$1"
}
nat_forgets() {
	in_net nat conntrack -F
}

# ---- the machines

# What a machine has before the packages come: systemd, sshd, polkit and the libraries, as there is no mirror in
# there; no compiler.
machine_packages() {
	echo systemd-sysv dbus-user-session libpam-systemd polkitd openssh-server openssh-client iproute2 \
		procps netbase rsync chrony libinih1 libjson-c5 libjpeg62-turbo libexif12 libssh-4
	case $suite in
	bookworm) echo libcamera0.0.3 libmicrohttpd12 libcurl4 ;;
	trixie) echo libcamera0.4 libmicrohttpd12t64 libcurl4t64 ;;
	esac
}

machine_make() { # MACHINE: its disk; takes 2 s
	local machine=$1 disk=$T/$1
	mkdir -p "$disk"/{upper,work,root,home}
	mount -t overlay -o "lowerdir=$machine_root,upperdir=$disk/upper,workdir=$disk/work" overlay \
		"$disk/root" 2>/dev/null || cp -a --reflink=auto "$machine_root/." "$disk/root" || return
	echo "$machine" >"$disk/root/etc/hostname"
	tr -d - </proc/sys/kernel/random/uuid >"$disk/root/etc/machine-id"
	printf '127.0.0.1 localhost\n10.77.1.2 capturepi capturepi.local\n10.77.2.2 pullpi\n10.77.2.1 garden.example\n' \
		>"$disk/root/etc/hosts"
	rm -f "$disk"/root/etc/ssh/ssh_host_*
	mount --bind "$disk/home" "$disk/root/home" &&
		{ [ ! -e "$disk/root/usr/bin/ssh-keygen" ] || chroot "$disk/root" ssh-keygen -A >/dev/null; } &&
		chroot "$disk/root" useradd --create-home --shell /bin/bash --groups video pi || return
	umount "$disk/root/home"
	mkdir -m 700 "$disk/home/pi/.ssh"
	cp "$T/login_key.pub" "$disk/home/pi/.ssh/authorized_keys"
	chown -R 1000:1000 "$disk/home/pi/.ssh"
}

machine_remove() { # MACHINE, which is off
	! mountpoint -q "$T/$1/root" || umount "$T/$1/root"
	rm -rf --one-file-system "${T:?}/$1"
}

# A control group of its own for each machine.
cgroup_of() { # MACHINE
	echo "$CONTAIN_CGROUP/$1"
}
cgroup_make() { # MACHINE
	mkdir -p "$(cgroup_of "$1")"
}
cgroup_remove() { # MACHINE: once its last process is gone
	wait_for 30 cgroup_is_empty "$1"
	find "$(cgroup_of "$1")" -depth -type d -exec rmdir {} \;
}
cgroup_is_empty() { # MACHINE
	grep -q '^populated 0' "$(cgroup_of "$1")/cgroup.events"
}

before_boot() { # MACHINE: for a test that has something to do then
	:
}
# As the firmware of a Pi reads it, at each boot: systemd in a container takes its own arguments for the kernel's.
command_line() { # MACHINE
	cat "$T/$1/root/boot/firmware/cmdline.txt" 2>/dev/null
}
# In a control group that was not there before; as on a real machine, what asks for the state of the clock gets it (to set
# it takes a capability that nobody in there has); 133 is how systemd-nspawn --keep-unit says that it is to be rebooted.
machine_run() { # MACHINE
	local code=133
	while [ $code -eq 133 ]; do
		cgroup_make "$1" && before_boot "$1" || return
		(
			echo "$BASHPID" >"$(cgroup_of "$1")/cgroup.procs" || exit
			export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_LOCK=0
			# shellcheck disable=SC2046 # a list of words
			exec systemd-nspawn --quiet --boot --keep-unit --register=no --console=pipe --resolv-conf=off \
				--system-call-filter="adjtimex clock_adjtime clock_adjtime64" \
				--timezone=off --network-namespace-path="/run/netns/$id-$1" \
				${capabilities:+"--capability=$capabilities"} \
				--machine="$1" --directory="$T/$1/root" --bind="$T/$1/home:/home" $(command_line "$1")
		)
		code=$?
		cgroup_remove "$1"
	done
}
machine_on() { # MACHINE; with more than the usual $capabilities, if they are set
	machine_run "$1" </dev/null >>"$T/$1.console" 2>&1 &
	nspawn[$1]=$!
	declare -p id T suite nspawn owner >"$T/state"
}
machine_boot() { # MACHINE
	machine_on "$1"
	wait_for 60 up "$1"
}
leader() { # MACHINE: its process 1
	local nspawn_pid
	nspawn_pid=$(pgrep -P "${nspawn[$1]}" -x systemd-nspawn) && pgrep -P "$nspawn_pid"
}
up() { # MACHINE
	on "$1" systemctl is-system-running 2>/dev/null | grep -qE '^(running|degraded)$'
}
on() { # MACHINE COMMAND...: as root, beside all logins
	local machine=$1 pid
	shift
	pid=$(leader "$machine") || { echo "$machine is off"; return 1; }
	"$src/tests/root/enter" "$pid" "$@"
}
as() { # MACHINE COMMAND...: as its user, without a login, which would start its manager
	local machine=$1 user=${owner[$1]-pi}
	shift
	on "$machine" setpriv --reuid "$user" --regid "$user" --init-groups env HOME="/home/$user" USER="$user" \
		LOGNAME="$user" XDG_RUNTIME_DIR=/run/user/1000 "$@"
}
login() { # MACHINE COMMAND: what a person types over ssh
	local machine=$1 address=10.77.1.2 user=${owner[$1]-pi}
	shift
	[ "$machine" = capturepi ] || address=10.77.2.2
	in_net "$machine" ssh -F none -i "$T/login_key" -o StrictHostKeyChecking=no -o LogLevel=ERROR \
		-o UserKnownHostsFile=/dev/null -o BatchMode=yes -o ConnectTimeout=10 "$user@$address" "$@" </dev/null
}
machine_cut() { # MACHINE: the power goes
	echo 1 >"$(cgroup_of "$1")/cgroup.kill" # all of it: without its systemd-nspawn a machine would live on
	wait "${nspawn[$1]}" 2>/dev/null
	unset "nspawn[$1]"
}
machine_reboot() { # MACHINE: asked to; comes back by itself
	local before
	before=$(on "$1" cat /proc/sys/kernel/random/boot_id) || return
	on "$1" systemctl reboot
	wait_for 90 rebooted "$1" "$before"
}
rebooted() { # MACHINE OLD_BOOT_ID
	[ "$(on "$1" cat /proc/sys/kernel/random/boot_id 2>/dev/null)" != "$2" ] && up "$1"
}

# ---- up and down

# The packages of the tree as it is now, whoever works on it need not wait: *.deb in $work/$suite.
packages_make() {
	local build_root tree
	build_root=$("$src/tests/root/make" "$suite") || die "no root to build in"
	mkdir "$T/tree"
	tar -C "$src" --exclude=./build --exclude=./.git -cf - . | tar -C "$T/tree" -xf -
	tree=$(tar -C "$T/tree" --sort=name --mtime=@0 -cf - . | sha256sum)
	exec 9>"$work/$suite/lock"
	flock 9
	# another test of the same run may have made them
	if [ "$tree" != "$(cat "$work/$suite/tree" 2>/dev/null)" ]; then
		say "packages of this tree for Debian $suite"
		check "the packages build, and lintian has nothing to say" \
			"$T/tree/tests/root/run" -b "$work/$suite" "$build_root" -- /src/deploy/package --lint /build
		ls "$work/$suite"/*.deb >/dev/null 2>&1 || { cat "$T/out"; die "no packages"; }
		[ $failed -gt 0 ] || echo "$tree" >"$work/$suite/tree"
	fi
	exec 9>&-
}
rig_up() {
	mkdir -p "$work/$suite"
	[ "$(id -u)" -eq 0 ] || die "needs root (mounts, network namespaces, systemd-nspawn)"
	say "roots of Debian $suite"
	# shellcheck disable=SC2046 # a list of words
	machine_root=$("$src/tests/root/make" --bare "$suite" $(machine_packages)) || die "there is no root to boot"
	packages_make
	say "two machines and a router"
	ssh-keygen -q -t ed25519 -N '' -C rig -f "$T/login_key"
	network_up || die "no network"
	machine_make capturepi && machine_make pullpi || die "no machines"
	machine_boot capturepi && machine_boot pullpi || {
		tail -n 20 "$T"/*.console
		die "the machines do not come up"
	}
}
