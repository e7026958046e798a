# SPDX-License-Identifier: MIT
# For tests/rig/run: from two machines with nothing but Debian to pictures on PullPi; and before that the bug that
# this project comes from, with systemd alone.
captures=$T/capturepi/home/pi/captures pulled=$T/pullpi/home/pi/pulled/garden

# ---- what the archives say

newest() { # ARCHIVE: the sequence number of its newest frame, 0: none
	local seq
	seq=$(readlink "$1/latest.jpg" | sed -E 's/.*-([0-9]+)\.jpg$/\1/')
	echo "$((10#${seq:-0}))"
}
newer() { # ARCHIVE SEQ
	[ "$(newest "$1")" -gt "$2" ]
}
lines_after() { # ARCHIVE SEQ
	cat "$1"/journal/*.jsonl | perl -ne 'print if /^\{"seq":(\d+)/ && $1 > '"$2"
}
missed() { # SEQ [CAUSE]: slots without a picture on CapturePi since that number
	lines_after "$captures" "$1" | grep "\"miss\":\"${2-}" |
		perl -ne '$n += /"count":(\d+)/ ? $1 : 1; END { print $n + 0, "\n" }'
}
frames_since() { # SEQ: frames since that number
	lines_after "$captures" "$1" | grep -c '"file":'
}
caught_up() { # PullPi holds each frame that CapturePi had when this was called first
	: "${caught_up_to:=$(newest "$captures")}"
	[ "$(lines_after "$captures" 0 | grep -o '"file":"[^"]*"' | sed "/-$(printf %08d "$caught_up_to")/q" | sort)" = \
		"$(lines_after "$pulled" 0 | grep -o '"file":"[^"]*"' | awk -F'[-.]' -v last="$caught_up_to" '$2 + 0 <= last' | sort)" ]
}
catches_up() { # SECONDS
	caught_up_to=
	wait_for "$1" caught_up
}
verified() {
	as capturepi capturepi verify && as pullpi pullpi verify garden
}
all_is_well() { # no unit is failed; each timer has a next time, or what it starts works just now
	local machine next unit
	for machine in capturepi pullpi; do # Debian's own are not ours: many machines on one kernel run out of inotify
		as "$machine" systemctl --user --failed --no-legend --plain list-units || echo "$machine: no manager"
		on "$machine" systemctl --failed --no-legend --plain list-units 'user@*' 'ssh*'
		on "$machine" journalctl -b -q --no-pager -o cat --grep 'Watchdog timeout' # what runs again looks well
	done | grep . && return 1
	while read -r unit; do
		next=$(as pullpi systemctl --user show -P NextElapseUSecRealtime "$unit")
		[ -n "$next" ] || as pullpi systemctl --user is-active "${unit%.timer}.service" | grep -q activating ||
			{ echo "$unit has no next time"; return 1; }
	done < <(as pullpi systemctl --user list-units --no-legend --plain 'pullpi-*.timer' | cut -d' ' -f1)
}
nothing_failed() { # a unit that was killed is well again after its next run
	wait_for 30 all_is_well
}

# ---- steps of a person

install_on() { # MACHINE ROLE: the tree, the packages built from it for this Debian, and the one root step
	local machine=$1 role=$2 tree=$T/$1/home/pi/capturepi
	mkdir -p "$tree/build/packages"
	cp -a "$T/tree/." "$tree"
	cp -p "$work/$suite"/{*.deb,built} "$tree/build/packages/"
	on "$machine" /home/pi/capturepi/deploy/install "$role"
}
capture_settings() {
	local config=$T/capturepi/home/pi/.config/capturepi source=test
	if [ "$suite" != bookworm ]; then # libcamera's virtual camera, which Debian 12 does not have
		local data=$T/capturepi/root/usr/share
		mkdir -p "$data/rig" "$data/libcamera/pipeline/virtual"
		cp -r "$src/tests/virtual/photos" "$data/rig/"
		sed 's|@photos@|/usr/share/rig/photos|' "$src/tests/virtual/virtual.yaml" \
			>"$data/libcamera/pipeline/virtual/virtual.yaml"
		source=photos
	fi
	mkdir -p "$config"
	cat >"$config/capturepi.conf" <<-END
		[test]
		light = noon
		[archive]
		camera = garden
		[schedule]
		every = 1s
		wait_for_clock = 0s
		[camera]
		source = $source
		width = 640
		height = 360
		standby = stream
	END
	chown -R 1000:1000 "${config%/*}"
}
quick_timers() { # every few seconds, or this would take hours
	local unit config=$T/pullpi/home/pi/.config/systemd/user
	for unit in latest:0/5 sync:2/10; do
		mkdir -p "$config/pullpi-${unit%:*}@.timer.d"
		printf '[Timer]\nOnCalendar=\nOnCalendar=*-*-* *:*:%s UTC\nRandomizedDelaySec=0\n' "${unit#*:}" \
			>"$config/pullpi-${unit%:*}@.timer.d/rig.conf"
	done
	chown -R 1000:1000 "$T/pullpi/home/pi/.config"
}
pair() {
	cp "$T/login_key" "$T/pullpi/home/pi/login_key"
	chown 1000:1000 "$T/pullpi/home/pi/login_key"
	login pullpi "pullpi pair pi@garden.example:2222 --camera garden --identity login_key --fingerprint \
		$(ssh-keygen -lf "$T/capturepi/root/etc/ssh/ssh_host_ed25519_key.pub" | cut -d' ' -f2)"
}

# ---- the seed's bug

logged_out_and_pulled() { # nobody is logged in but for a pull now and then
	local n
	for n in 1 2; do
		sleep 16
		login capturepi true
	done
}
loses_slots_without_linger() {
	local before
	login capturepi systemctl --user enable --now capturepi || return
	wait_for 30 newer "$captures" 0 || return
	before=$(newest "$captures")
	logged_out_and_pulled
	wait_for 30 newer "$captures" "$((before + 5))"
	echo "measured: without linger $(missed "$before" down) of 32 slots lost to log-outs"
	[ "$(missed "$before" down)" -ge 5 ]
}
keeps_slots_with_linger() {
	local before
	before=$(newest "$captures")
	logged_out_and_pulled
	echo "measured: with linger $(missed "$before") of $(frames_since "$before") slots lost"
	! lines_after "$captures" "$before" | grep '"miss":'
}
deployed() {
	login capturepi systemctl --user disable --now capturepi
	login capturepi deploypi capture
}

install_both() {
	check "deploy/install capture" install_on capturepi capture
	check "deploy/install pull" install_on pullpi pull
	capture_settings
	quick_timers
}
deploy_both() { # the short way
	install_both
	check "deploypi capture" login capturepi deploypi capture
	check "pullpi pair through the NAT" pair
	check "deploypi pull" login pullpi deploypi pull
	check "pictures arrive by themselves" wait_for 60 newer "$pulled" 0
}

part_install() {
	if [ "$suite" = bookworm ]; then
		deploy_both
	else
		install_both
		check "without linger, slots are lost at every log-out" loses_slots_without_linger
		grep ^measured "$T/out"
		check "deploypi capture" deployed
		sed -n 's/.*is stored, \(.* after this began\).*/measured: deploypi capture: first picture \1/p' "$T/out"
		check "with linger no slot is lost" keeps_slots_with_linger
		grep ^measured "$T/out"
		check "pullpi pair through the NAT" pair
		check "deploypi pull" login pullpi deploypi pull
		check "pictures arrive by themselves" wait_for 60 newer "$pulled" 0
	fi
	check "all of them" catches_up 60
	check "both archives verify" verified
	check "no unit failed, no timer is dead" nothing_failed
}
