# SPDX-License-Identifier: MIT
# For tests/rig/run: what the units say is understood by this systemd, and what they forbid really fails. The score
# of systemd-analyze counts lines that a user's manager ignores, so a probe runs in each unit's own sandbox.

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
	cat "$T/$machine/home/pi/probe.out"
}
holds() { # MACHINE UNIT ALLOWED...: nothing else
	local machine=$1 unit=$2 said
	shift 2
	said=$(probe_in "$machine" "$unit") || { echo "$said"; return 1; }
	[ "$(grep -c . <<<"$said")" -eq 10 ] || { echo "$said"; return 1; }
	[ "$(sed -n 's/^did //p' <<<"$said" | sort)" = "$(printf '%s\n' "$@" | sort)" ] || { echo "$said"; return 1; }
}
unconfined() { # what the probe tries is possible for this user otherwise
	as "$1" bash -c 'cd / && exec /home/pi/probe' >"$T/said"
	! grep ^not "$T/said" | grep -v archive
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
		holds capturepi capturepi.service archive camera
	check "an archive elsewhere: deploypi opens the sandbox for it" elsewhere
	check "capturepi-tunnel.service connects, no more" holds capturepi capturepi-tunnel.service internet
	for unit in pullpi-latest@.service pullpi-sync@.service pullpi-follow@.service; do
		check "$unit writes the archives and connects, no more" holds pullpi "$unit" archive internet
	done
}
