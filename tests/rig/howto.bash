# SPDX-License-Identifier: MIT
# For tests/rig/run: each command of docs/how-to.md, as it stands there. What a line with sudo does is done as root; what else is
# not here is put in its place before, and said.
howto=$src/docs/how-to.md

# SED makes of the page what this machine has. The first line that fails ends it.
by_the_page() { # MACHINE HEADING [SED]
	local machine=$1 line
	"$src/tests/commands" "$howto" "## $2" >"$T/commands" || { echo "the page has no commands for: $2"; return 1; }
	sed -i "${3-}" "$T/commands"
	while read -r line <&5; do
		echo "\$ $line"
		case $line in
		sudo\ *) on "$machine" systemd-run --quiet --pipe --wait --collect sh -c "${line#sudo }" ;; # logind wants one of its own
		*) login "$machine" "$line" ;;
		esac || return
	done 5<"$T/commands"
}
every_command_is_run() { # by a line of this file
	local heading
	while read -r heading; do
		grep -qF "$heading\"" "$src"/tests/rig/{howto,remove}.bash || { echo "nobody does: $heading"; return 1; }
	done < <(sed -n 's/^## //p' "$howto")
}
edited() {
	printf '[camera]\nquality = 70\n' >>"$T/capturepi/home/pi/.config/capturepi/capturepi.conf"
	by_the_page capturepi "After editing settings"
}
moved() { # a file system of its own in place of a disk
	by_the_page capturepi "Move the archive to a USB disk" \
		's|LABEL=pictures /mnt/disk ext4 defaults,noatime,nofail|pictures /mnt/disk tmpfs size=512M|' || return
	[ ! -e "$captures" ] && login capturepi mountpoint -q /mnt/disk || return
	captures=/proc/$(leader capturepi)/root/mnt/disk/captures
	wait_for 30 newer "$captures" "$(newest "$captures")"
}
second_puller() { # another user in place of another machine, with a host name of his own
	on pullpi useradd --uid 1100 --create-home --shell /bin/bash second
	install -d -m 700 -o 1100 -g 1100 "$T/pullpi/home/second/.ssh"
	install -o 1100 -g 1100 "$T/login_key.pub" "$T/pullpi/home/second/.ssh/authorized_keys"
	install -m 600 -o 1100 -g 1100 "$T/login_key" "$T/pullpi/home/second/login_key"
	on pullpi hostname second
	owner[pullpi]=second
	"$src/tests/commands" "$howto" "## A second PullPi" | head -n 2 >"$T/commands"
	sed -i "s|pi@capturepi|pi@garden.example:2222 --identity login_key --yes|" "$T/commands"
	login pullpi "set -e; $(cat "$T/commands")"
	local r=$?
	unset "owner[pullpi]"
	on pullpi hostname pullpi
	[ $r -eq 0 ] && wait_for 60 newer "$T/pullpi/home/second/pulled/garden" 0 || return
	login capturepi "$("$src/tests/commands" "$howto" "## A second PullPi" | tail -n 1)" >"$T/said"
	grep -q 'key pullpi-garden@second may run' "$T/said" && grep -q 'key pullpi-garden@pullpi may run' "$T/said" || { cat "$T/said"; return 1; }
	on pullpi loginctl disable-linger second
	on pullpi loginctl terminate-user second
}
at_noon() { # the minute of a picture that is there, by the clock on the wall
	local name=${1##*/}
	by_the_page pullpi "What was there last Tuesday at noon" \
		"s/last tuesday 12:00/$(date -d "$(sed -E 's/^(....)(..)(..)T(..)(..).*/\1-\2-\3 \4:\5/' <<<"$name") UTC" '+%Y-%m-%d %H:%M %z')/" \
		>"$T/said" && grep -qF "$name" "$T/said" || { cat "$T/said"; return 1; }
}
pictures_of_today() {
	find "$pulled/$(date -u +%Y/%m/%d)" -name '2*.jpg' | wc -l
}
time_lapse() { # here, as the machines have no ffmpeg: each picture that was there when it began, none twice
	local line before got
	line=$("$src/tests/commands" "$howto" "## A time-lapse") || return
	before=$(pictures_of_today)
	HOME=$T/pullpi/home/pi bash -c "$line" || return
	got=$(ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 "$T/pullpi/home/pi/day.mp4")
	echo "$got frames, $before pictures before"
	[ "$before" -ge 5 ] && [ "$got" -ge "$before" ] && [ "$got" -le "$(pictures_of_today)" ]
}

part_howto() {
	local picture
	check "no page without somebody who does what it says" every_command_is_run
	check "after editing settings" edited
	check "the archive moves to a disk" moved
	check "PullPi goes on where it was" catches_up 60
	check "both archives verify" verified
	check "a second PullPi" second_puller
	picture=$(find "$pulled" -name '2*.jpg' | sort | tail -n 1)
	check "what was there at noon" at_noon "$picture"
	check "a time-lapse" time_lapse
	check "no unit failed, no timer is dead" nothing_failed
}
