# SPDX-License-Identifier: MIT
# For tests/rig/run: what the units say is understood by this systemd, and what they forbid really fails. The score
# of systemd-analyze counts lines that a user's manager ignores, so a probe runs in each unit's own sandbox. And what the
# sandbox takes from the programs themselves: their features run in their units, and strace sees what is refused to them.

installed_units() {
	as "$1" sh -c 'cd /usr/lib/systemd/user && ls | grep -E "^(capturepi|pullpi)" | sed s/@/@garden/'
}
units_verify() { # MACHINE; any word is a complaint, whatever the exit status
	local units said
	units=$(installed_units "$1") && [ -n "$units" ] || return
	# shellcheck disable=SC2086 # names
	said=$(as "$1" systemd-analyze --user --man=no verify $units 2>&1) || said="exit status $? $said"
	[ -z "$said" ] || { echo "$said"; return 1; }
}
units_score() { # MACHINE: 2.5 at most
	local unit
	for unit in $(installed_units "$1" | grep '\.service$'); do
		as "$1" systemd-analyze --user security --no-pager --threshold=25 "$unit" >"$T/score" ||
			{ grep -E '^✗|Overall' "$T/score"; return 1; }
		echo "measured: $(sed -n 's/.*Overall exposure level for \(.*\): \([0-9.]*\).*/\1 \2/p' "$T/score")"
	done
}

# The probe: a line `did WHAT` or `not WHAT` for each thing it tries. What a service must be able to do, it
# must do; all others work for the user outside (which is tried too) and must fail inside.
write_probe() { # MACHINE ARCHIVE
	cat >"$T/$1/home/pi/probe" <<-END
		#!/bin/bash
		archive=$2 device=/dev/rig-camera
	END
	cat >>"$T/$1/home/pi/probe" <<-'END'
		try() {
			local name=$1
			shift
			if "$@" >/dev/null 2>&1; then echo "did $name"; else echo "not $name"; fi
		}
		cd /
		try archive bash -c "echo >$archive/.probe && rm $archive/.probe"
		try camera head -c 1 "$device"
		try home bash -c 'echo >~/.probe && rm ~/.probe'
		try keys bash -c 'echo >>~/.ssh/authorized_keys'
		try units bash -c 'mkdir -p ~/.config/systemd/user && echo >~/.config/systemd/user/probe.conf'
		try runtime bash -c 'echo >$XDG_RUNTIME_DIR/probe && rm $XDG_RUNTIME_DIR/probe'
		try tmp bash -c 'cat /tmp/rig-outside'
		try namespace unshare --user true
		try suid bash -c 'cp /bin/true /dev/shm/suid$$ && chmod u+s /dev/shm/suid$$'
		case $(uname -m) in x86_64) adjtimex=159 ;; *) adjtimex=171 ;; esac
		try clock perl -e 'my $timex = "\0" x 512; exit(syscall(0 + shift, $timex) < 0)' $adjtimex # whether it is synchronised
		try internet bash -c 'exec 3<>/dev/tcp/127.0.0.1/22'
		rm -f /dev/shm/suid$$
	END
	chmod 755 "$T/$1/home/pi/probe"
}
probe_in() { # MACHINE UNIT: the probe in place of the program, all else as the unit has it
	local machine=$1 unit=$2 dir=$T/$1/home/pi/.config/systemd/user
	mkdir -p "$dir"
	sed -e ':a' -e '/\\$/{N;ba}' -e 's|^ExecStart=.*|ExecStart=/home/pi/probe|' -e 's/^Type=.*/Type=oneshot/' -e '/^ConditionPathExists=/d' -e '/^EnvironmentFile=/d' \
		-e '/^Restart=/d' -e '/^RestartPreventExitStatus=/d' -e '/^WatchdogSec=/d' -e '/^ExecReload=/d' \
		"$T/$machine/root/usr/lib/systemd/user/$unit" >"$dir/probe-$unit"
	printf '%s\n' StandardOutput=truncate:/home/pi/probe.out Type=oneshot >"$T/line"
	sed -i "/^\[Service\]/r $T/line" "$dir/probe-$unit"
	chown -R 1000:1000 "$T/$machine/home/pi/.config"
	install -o 1000 -g 1000 /dev/null "$T/$machine/home/pi/probe.out"
	as "$machine" systemctl --user daemon-reload
	as "$machine" systemctl --user start "probe-${unit/@/@garden}" || {
		as "$machine" journalctl --user --no-pager -n 5 -u "probe-${unit/@/@garden}"
		return 1
	}
	rm "$dir/probe-$unit"
	cat "$T/$machine/home/pi/probe.out"
}
holds() { # MACHINE UNIT ALLOWED...: nothing else
	local machine=$1 unit=$2 said
	shift 2
	said=$(probe_in "$machine" "$unit") || { echo "$said"; return 1; }
	[ "$(grep -c . <<<"$said")" -eq 11 ] || { echo "$said"; return 1; }
	[ "$(sed -n 's/^did //p' <<<"$said" | sort)" = "$(printf '%s\n' "$@" | sort)" ] || { echo "$said"; return 1; }
}
unconfined() { # what the probe tries is possible for this user otherwise
	as "$1" bash -c 'cd / && exec /home/pi/probe' >"$T/said"
	! grep ^not "$T/said" | grep -v archive
}

# ---- what is refused to the programs

manager_of() { # MACHINE: its user's, as this side calls it
	head -n 1 "$(find "$(cgroup_of "$1")" -path '*/user@1000.service/init.scope/cgroup.procs')"
}
# Calls that fail as what forbids makes them fail, seccomp, a mount or a namespace, while COMMAND works with units: of
# the programs and of the ssh that pullpi starts, from their execve on, with their threads; each one once, and
# `saw CALL` for each that worked.
refused() { # MACHINE COMMAND...
	local machine=$1 manager tracer rc
	shift
	manager=$(manager_of "$machine") || return
	rm -rf "$T/trace"
	mkdir "$T/trace"
	strace -f -ff -qq -y -e signal=none -o "$T/trace/t" -p "$manager" 2>"$T/strace" &
	tracer=$!
	wait_for 30 grep -q '^TracerPid:.*[1-9]' "/proc/$manager/status" || { cat "$T/strace"; return 1; }
	"$@"
	rc=$?
	kill $tracer
	wait $tracer
	rm -f "$T/trace/t.$manager"
	perl - "$T"/trace/t.* >"$T/calls" <<-'END'
		my (%refused, %saw);
		for my $file (@ARGV) {
			open my $in, '<', $file or die;
			my @lines = <$in>;
			my ($exec) = grep { $lines[$_] =~ /^execve\(.* = 0$/ } reverse 0 .. $#lines;
			next if defined $exec && $lines[$exec] !~ m{^execve\("[^"]*/(capturepi|pullpi|ssh)"};
			for (@lines[($exec // -1) + 1 .. $#lines]) {
				# sd_notify and libudev ask for more than any user gets; where clone3 is away, glibc uses clone
				next if /^setsockopt\(.*SO_(SND|RCV)BUFFORCE|^clone3\(.* = -1 ENOSYS/;
				$saw{$1}++ if /^(\w+)\(.* = (?!-)/ || /^(connect)\(.* EINPROGRESS /;
				$refused{"$1: $2"}++ if /^(\w+\(.*) = -1 (EPERM|EACCES|EROFS|EAFNOSUPPORT|EPROTONOSUPPORT|ENOSYS) /;
			}
		}
		print "refused $_\n" for sort keys %refused;
		print "saw $_\n" for sort keys %saw;
	END
	return $rc
}
nothing_refused() { # SEEN... -- MACHINE COMMAND...: and these calls were made
	local calls=() call
	while [ "$1" != -- ]; do calls+=("$1") && shift; done
	shift
	refused "$@" || return
	grep '^refused' "$T/calls" && return 1
	for call in "${calls[@]}"; do
		grep -qxE "saw ($call)" "$T/calls" || { echo "$call was never called"; return 1; }
	done
}
capture_works() { # the service begins, stores, dates anew, reads its settings again, makes room, is asked, ends
	local config=$T/capturepi/home/pi/.config/capturepi/capturepi.conf before
	as capturepi systemctl --user restart capturepi || return
	wait_for 60 newer "$captures" "$(newest "$captures")" || return
	sed -i 's/^\[archive\]/&\nkeep_frames = 5\nkeep_days = 1/' "$config"
	as capturepi systemctl --user reload capturepi
	before=$(newest "$captures")
	wait_for 60 newer "$captures" $((before + 6)) && as capturepi capturepi status && as capturepi capturepi shot
	rc=$?
	sed -i '/^keep_/d' "$config"
	as capturepi systemctl --user restart capturepi
	return $rc
}
pull_works() { # the newest, all, live; and one camera through another one's sshd
	local before unit
	as pullpi systemctl --user start pullpi-latest@garden pullpi-sync@garden || return
	as pullpi systemctl --user start pullpi-follow@garden || return
	before=$(newest "$pulled")
	wait_for 60 newer "$pulled" $((before + 2)) || return
	as pullpi systemctl --user stop pullpi-follow@garden
	as pullpi systemctl --user start pullpi-sync@jumped && newer "$T/pullpi/home/pi/pulled/jumped" 0
}
jumped() { # a camera behind another machine, for which ssh is started
	local home=$T/pullpi/home/pi key
	key=$(cut -d' ' -f1,2 "$T/capturepi/root/etc/ssh/ssh_host_ed25519_key.pub")
	printf '[camera jumped]\nhost = 10.77.1.2\nuser = pi\nkey = /home/pi/login_key\nproxy_jump = pi@garden.example:2222\nkeep_days = 1\n' \
		>>"$home/.config/pullpi/pullpi.conf"
	echo "jumped $key" >>"$home/.local/state/pullpi/known_hosts"
	echo "[garden.example]:2222 $key" >"$home/.local/state/pullpi/known_hosts_jump"
	chown 1000:1000 "$home/.local/state/pullpi"/known_hosts*
}

elsewhere() { # an archive that the unit does not know: deploypi opens the sandbox for it, and closes it again
	local config=$T/capturepi/home/pi/.config place="$T/capturepi/home/pi/50% else where"
	sed -i 's|^camera = garden|&\npath = /home/pi/50% else where|' "$config/capturepi/capturepi.conf"
	login capturepi deploypi capture || return
	wait_for 30 newer "$place" 0 || return
	[ -e "$config/systemd/user/capturepi.service.d/archive.conf" ] || return
	sed -i '/^path = /d' "$config/capturepi/capturepi.conf"
	login capturepi deploypi capture || return
	[ ! -e "$config/systemd/user/capturepi.service.d" ] || return
	wait_for 30 newer "$captures" "$(newest "$captures")"
}

part_sandbox() {
	local machine unit
	for machine in capturepi pullpi; do
		check "$machine: systemd-analyze verify" units_verify "$machine"
		check "$machine: systemd-analyze security" units_score "$machine"
		grep ^measured "$T/out"
		write_probe "$machine" "$([ "$machine" = capturepi ] && echo /home/pi/captures || echo /home/pi/pulled)"
		# a device of the group that cameras belong to
		on "$machine" mknod -m 660 /dev/rig-camera c 1 5 && on "$machine" chown root:video /dev/rig-camera
		as "$machine" touch /tmp/rig-outside
		check "$machine: the probe finds all open without a sandbox" unconfined "$machine"
	done
	check "capturepi.service writes its archive and opens the camera, no more" \
		holds capturepi capturepi.service archive camera clock
	check "capturepi.service: nothing that capturepi does is refused to it" \
		nothing_refused adjtimex\|clock_adjtime flock statfs\|fstatfs renameat2 unlinkat sendmsg\|sendto -- capturepi capture_works
	check "an archive elsewhere: deploypi opens the sandbox for it" elsewhere
	check "capturepi-tunnel.service connects, no more" holds capturepi capturepi-tunnel.service internet
	for unit in pullpi-latest@.service pullpi-sync@.service pullpi-follow@.service; do
		check "$unit writes the archives and connects, no more" holds pullpi "$unit" archive internet clock
	done
	jumped
	check "pullpi's services: nothing that pullpi does is refused to it" \
		nothing_refused adjtimex\|clock_adjtime flock statfs\|fstatfs renameat2 connect socketpair sendmsg\|sendto -- pullpi pull_works
}
