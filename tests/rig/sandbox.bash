# SPDX-License-Identifier: MIT
# For tests/rig/run: what the units say is understood by this systemd, and what they forbid really fails. The score
# of systemd-analyze counts lines that a user's manager ignores, so a probe runs in each unit's own sandbox. And what the
# sandbox takes from the programs themselves: their features run in their units, and strace sees what is refused to them.

installed_units() {
	as "$1" sh -c 'cd /usr/lib/systemd/user && ls | grep -E "^(capturepi|pullpi|viewpi)" | sed s/@/@garden/'
}
units_verify() { # MACHINE; any word is a complaint, whatever the exit status
	local units said
	units=$(installed_units "$1") && [ -n "$units" ] || return
	# shellcheck disable=SC2086 # names
	said=$(as "$1" systemd-analyze --user --man=no verify $units 2>&1) || said="exit status $? $said"
	[ -z "$said" ] || { echo "$said"; return 1; }
}
units_score() { # MACHINE: 2.5 at most; a hook's command is the user's own, and reaches what the user does
	local unit
	for unit in $(installed_units "$1" | grep '\.service$' | grep -v -- '-new'); do
		as "$1" systemd-analyze --user security --no-pager --threshold=25 "$unit" >"$T/score" ||
			{ grep -E '^✗|Overall' "$T/score"; return 1; }
		echo "measured: $(sed -n 's/.*Overall exposure level for \(.*\): \([0-9.]*\).*/\1 \2/p' "$T/score")"
	done
}

# The probe: a line `did WHAT` or `not WHAT` for each thing it tries. What a service must be able to do, it
# must do; all others work for the user outside (which is tried too) and must fail inside: ways to run or to change something
# outside, `read-` for what is to be seen outside, and what a disk or a terminal of the user's would give.
write_probe() { # MACHINE ARCHIVE
	local home=$T/$1/home/pi root=$T/$1/root
	cat >"$root/usr/local/bin/rig-probe" <<-END
		#!/bin/bash
		archive=$2 device=/dev/rig-camera
	END
	cat >>"$root/usr/local/bin/rig-probe" <<-'END'
		try() {
			local name=$1
			shift
			if timeout 10 "$@" >/dev/null 2>&1; then echo "did $name"; else echo "not $name"; fi
		}
		cd /
		runtime=/run/user/1000
		read -r sibling </usr/local/bin/rig-sibling
		connects() { # SOCKET
			perl -MIO::Socket::UNIX -e 'exit !IO::Socket::UNIX->new(Peer => shift)' "$1"
		}
		export -f connects
		try archive bash -c "echo >$archive/.probe && rm $archive/.probe"
		try read-archive ls "$archive/"
		try cache bash -c 'echo >~/.cache/viewpi/.probe && rm ~/.cache/viewpi/.probe'
		try camera head -c 1 "$device"
		case $(uname -m) in x86_64) adjtimex=159 ptrace=101 ;; *) adjtimex=171 ptrace=117 ;; esac
		try clock perl -e 'my $timex = "\0" x 512; exit(syscall(0 + shift, $timex) < 0)' $adjtimex # whether it is synchronised
		try internet bash -c 'exec 3<>/dev/tcp/127.0.0.1/22'

		try systemd-run systemd-run --user --quiet --wait true
		try manager bash -c "connects $runtime/systemd/private"
		try user-bus bash -c "connects $runtime/bus"
		try system-bus bash -c 'connects /run/dbus/system_bus_socket'
		try ptrace perl -e 'exit(syscall(0 + $ARGV[0], 16, 0 + $ARGV[1], 0, 0) < 0)' $ptrace "$sibling"
		try memory bash -c "exec 3<>/proc/$sibling/mem"
		try root-of-sibling ls "/proc/$sibling/root/home/pi/.ssh"
		try folder-of-sibling ls "/proc/$sibling/cwd/"
		try home bash -c 'echo >~/.probe && rm ~/.probe'
		try keys bash -c 'echo >>~/.ssh/authorized_keys'
		try bashrc bash -c 'echo >>~/.bashrc'
		try units bash -c 'mkdir -p ~/.config/systemd/user && echo >~/.config/systemd/user/probe.conf'
		try settings bash -c 'for f in ~/.config/*pi/*.conf; do echo >>$f || exit; done'
		try pull-key bash -c 'for f in ~/.local/state/pullpi/{id_ed25519-garden,known_hosts}; do echo >>$f || exit; done'
		try runtime bash -c "echo >$runtime/probe && rm $runtime/probe"
		try disk bash -c 'echo >/mnt/rig/probe && rm /mnt/rig/probe'
		try terminal bash -c 'for t in /dev/pts/[0-9]*; do exec 3<>$t && exit; done; exit 1'
		try namespace unshare --user true
		try suid bash -c 'cp /bin/true /tmp/suid$$ && chmod u+s /tmp/suid$$'
		try setuid bash -c 'rig-touch /etc/rig-probe'

		try read-home cat ~/notes
		try read-history cat ~/.bash_history
		try read-key cat ~/.ssh/id_ed25519
		try read-browser cat ~/.mozilla/firefox/p/logins.json
		try read-other-home cat /home/other/notes
		try read-environment cat "/proc/$sibling/environ"
		try read-runtime cat $runtime/secret
		try read-shm cat /dev/shm/secret
		try read-log cat /var/log/rig.log
		try read-tmp cat /tmp/rig-outside
		try read-disk cat /srv/rig/notes
		try read-media cat /media/rig/notes
		try shadow cat /etc/shadow
		rm -f /tmp/suid$$
	END
	chmod 755 "$root/usr/local/bin/rig-probe"
	# shellcheck disable=SC2016 # for the shell in there
	on "$1" sh -c '
		mknod -m 660 /dev/rig-camera c 1 5 && chown root:video /dev/rig-camera
		install -m 4755 /usr/bin/touch /usr/local/bin/rig-touch
		useradd -m other && chmod 755 /home/other && echo x >/home/other/notes
		mkdir -p /mnt/rig /srv/rig /media/rig && echo x | tee /srv/rig/notes /media/rig/notes >/var/log/rig.log
		chown pi /mnt/rig
		systemd-run -q --uid=pi -p Type=exec --working-directory=/home/pi --setenv=SECRET=x --unit=rig-sibling sleep infinity
		systemd-run -q --uid=pi --unit=rig-terminal script -qec "sleep infinity" /dev/null
		systemctl show -P MainPID rig-sibling >/usr/local/bin/rig-sibling'
	as "$1" bash -c 'cd && mkdir -p .mozilla/firefox/p .cache/viewpi .local/state/pullpi .config/systemd/user .ssh
		for f in notes .bash_history .ssh/id_ed25519 .mozilla/firefox/p/logins.json .local/state/pullpi/id_ed25519-garden \
			.local/state/pullpi/known_hosts /run/user/1000/secret /dev/shm/secret /tmp/rig-outside; do [ -e $f ] || echo x >$f; done'
}
probe_in() { # MACHINE UNIT: the probe in place of the program, all else as the unit has it
	local machine=$1 unit=$2 dir=$T/$1/home/pi/.config/systemd/user
	mkdir -p "$dir"
	sed -e ':a' -e '/\\$/{N;ba}' -e 's|^ExecStart=.*|ExecStart=/usr/local/bin/rig-probe|' -e 's/^Type=.*/Type=oneshot/' -e '/^ConditionPathExists=/d' -e '/^EnvironmentFile=/d' -e '/^Requires=/d' \
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
	[ "$(grep -c . <<<"$said")" -eq 39 ] || { echo "$said"; return 1; }
	[ "$(sed -n 's/^did //p' <<<"$said" | sort)" = "$(printf '%s\n' "$@" | sort)" ] || { echo "$said" | grep ^did; return 1; }
}
unconfined() { # what the probe tries is possible for this user otherwise
	as "$1" rig-probe >"$T/said"
	! grep ^not "$T/said" | grep -vE 'archive|shadow'
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
	strace -f -ff -qq -y --decode-pids=pidns -e signal=none -o "$T/trace/t" -p "$manager" 2>"$T/strace" &
	tracer=$!
	wait_for 30 grep -q '^TracerPid:.*[1-9]' "/proc/$manager/status" || { cat "$T/strace"; return 1; }
	"$@"
	rc=$?
	kill $tracer
	wait $tracer
	rm -f "$T/trace/t.$manager"
	perl - "$T"/trace/t.* >"$T/calls" <<-'END'
		my (%calls, %ours, %refused, %saw);
		for my $file (@ARGV) {
			open my $in, '<', $file or die;
			my @lines = <$in>;
			my ($exec) = grep { $lines[$_] =~ /^execve\(.* = 0$/ } reverse 0 .. $#lines;
			my ($id) = $file =~ /(\d+)$/;
			$calls{$id} = [@lines[($exec // -1) + 1 .. $#lines]];
			$ours{$id} = $lines[$exec] =~ m{^execve\("[^"]*/(capturepi|pullpi|ssh)"} ? 1 : 0 if defined $exec;
		}
		# What has no execve is a thread or child of ours, or one of the manager's that has not got so far.
		my @follow = grep { $ours{$_} } keys %ours;
		while (defined(my $id = shift @follow)) {
			for (@{ $calls{$id} }) {
				m{^(?:clone3?|v?fork)\(.* = (\d+)(?: /\* (\d+) in strace's PID NS \*/)?$} or next;
				push @follow, $2 // $1 if !defined $ours{$2 // $1} && ($ours{$2 // $1} = 1);
			}
		}
		for my $id (grep { $ours{$_} } keys %ours) {
			for (@{ $calls{$id} // [] }) {
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
capture_works() { # the service begins, stores, redates, reads its settings again, makes room, is asked, ends
	local config=$T/capturepi/home/pi/.config/capturepi/capturepi.conf before
	as capturepi systemctl --user restart capturepi || return
	wait_for 60 newer "$captures" "$(newest "$captures")" || return
	sed -i 's/^\[archive\]/&\nmax_bytes = 20M\nkeep_days = 1/' "$config"
	as capturepi systemctl --user reload capturepi
	before=$(newest "$captures")
	wait_for 60 newer "$captures" $((before + 6)) && as capturepi capturepi status && as capturepi capturepi shot
	rc=$?
	sed -i '/^keep_days/d; /^max_bytes/d' "$config"
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
	as pullpi systemctl --user daemon-reload # opens the units to the key
}

elsewhere() { # an archive that the unit does not know: deploypi opens the sandbox for it, and closes it again
	local config=$T/capturepi/home/pi/.config place="$T/capturepi/home/pi/50% else where"
	sed -i 's|^camera = garden|&\npath = /home/pi/50% else where|' "$config/capturepi/capturepi.conf"
	login capturepi deploypi capture || return
	wait_for 30 newer "$place" 0 || return
	on capturepi test -e /run/user/1000/systemd/generator/capturepi.service.d/deploypi.conf || return
	sed -i '/^path = /d' "$config/capturepi/capturepi.conf"
	login capturepi deploypi capture || return
	! on capturepi test -e /run/user/1000/systemd/generator/capturepi.service.d || return
	wait_for 30 newer "$captures" "$(newest "$captures")"
}

# A disk that is mounted while the service runs, goes, and comes again; on 0.1 the drop-in of deploypi was in the way.
later() {
	local config=$T/capturepi/home/pi/.config disk="/mnt/stick" n
	on capturepi mkdir -p $disk
	mkdir -p "$config/systemd/user/capturepi.service.d"
	printf '[Service]\nReadWritePaths="-/mnt/stick/captures"\n' >"$config/systemd/user/capturepi.service.d/archive.conf"
	chown -R 1000:1000 "$config"
	sed -i "s|^camera = garden|&\npath = $disk/captures\nrequire_mount = yes|" "$config/capturepi/capturepi.conf"
	as capturepi systemctl --user daemon-reload # as an upgrade does
	as capturepi systemctl --user restart capturepi || return
	for n in 1 2; do
		on capturepi sh -c "mount -t tmpfs -o size=50m,uid=1000 stick$n $disk && install -d -o pi $disk/captures" || return
		wait_for 60 on capturepi sh -c "ls $disk/captures/latest.jpg" || return
		on capturepi umount -l $disk || return
		! on capturepi sh -c "grep stick$n /proc/\$(pgrep -n -x capturepi)/mountinfo" || return
	done
	sed -i '/^path = /d; /^require_mount/d' "$config/capturepi/capturepi.conf"
	login capturepi deploypi capture || return
	[ ! -e "$config/systemd/user/capturepi.service.d" ]
}

part_sandbox() {
	local machine unit
	for machine in capturepi pullpi; do
		check "$machine: systemd-analyze verify" units_verify "$machine"
		check "$machine: systemd-analyze security" units_score "$machine"
		grep ^measured "$T/out"
		write_probe "$machine" "$([ "$machine" = capturepi ] && echo /home/pi/captures || echo /home/pi/pulled)"
		check "$machine: the probe finds all open without a sandbox" unconfined "$machine"
	done
	check "capturepi.service writes its archive and opens the camera, no more" \
		holds capturepi capturepi.service archive read-archive camera clock
	check "capturepi.service: nothing that capturepi does is refused to it" \
		nothing_refused adjtimex\|clock_adjtime flock statfs\|fstatfs renameat2 unlinkat sendmsg\|sendto -- capturepi capture_works
	check "an archive elsewhere: deploypi opens the sandbox for it" elsewhere
	check "a disk that comes, goes and comes again" later
	check "capturepi-tunnel.service connects, no more" holds capturepi capturepi-tunnel.service internet
	for unit in pullpi-latest@.service pullpi-sync@.service pullpi-follow@.service; do
		check "$unit writes the archives and connects, no more" holds pullpi "$unit" archive read-archive internet clock
	done
	check "viewpi.service reads the archives and writes its cache, no more" holds pullpi viewpi.service read-archive cache
	check "viewpi-film@.service reads the archives, no more" holds pullpi viewpi-film@.service read-archive
	jumped
	check "pullpi's services: nothing that pullpi does is refused to it" \
		nothing_refused adjtimex\|clock_adjtime flock statfs\|fstatfs renameat2 connect socketpair sendmsg\|sendto -- pullpi pull_works
}
