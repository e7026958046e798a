# SPDX-License-Identifier: MIT
# For tests/rig/run: `deploypi view` on PullPi, and who sees the pictures: this machine, others in its network, nobody.

sees() { # MACHINE STATUS URL [CURL OPTION...]: 000 is no connection
	local machine=$1 want=$2 url=$3 got
	shift 3
	got=$(in_net "$machine" curl -s -m 20 -o "$T/seen" -w '%{http_code}' "$@" "$url")
	[ "$got" = "$want" ] || { echo "$url from $machine: $got, not $want"; return 1; }
}
view_is() { # STATE: of the service
	[ "$(as pullpi systemctl --user show -P ActiveState viewpi.service)" = "$1" ]
}
view_switched_on() { # systemd listens, and nothing runs until somebody looks
	mkdir -p "$T/pullpi/home/pi/.config/viewpi"
	printf '[web]\nlinger = 3s\n' >"$T/pullpi/home/pi/.config/viewpi/viewpi.conf"
	chown -R 1000:1000 "$T/pullpi/home/pi/.config/viewpi"
	login pullpi deploypi view && view_is inactive && as pullpi systemctl --user is-active viewpi.socket
}
seen_here() {
	sees pullpi 200 http://localhost:8484/ && grep -q '<b>garden</b>' "$T/seen" && view_is active
}
seen_there() { # a picture as the archive has it
	sees nat 200 http://10.77.2.2:8484/garden/latest.jpg -u pi:secret || return
	find "$pulled" -name '2*.jpg' -exec cmp -s {} "$T/seen" \; -print | grep .
}
refused_there() {
	sees nat 401 http://10.77.2.2:8484/garden/latest.jpg && waits_there &&
		sees pullpi 200 http://localhost:8484/ -u pi:secret
}
waits_there() { # after a guess, for a second; a busy machine may be later than that
	local i
	for i in 1 2 3 4 5 6; do
		sees nat 401 http://10.77.2.2:8484/ -u "pi:guess$i" && sees nat 429 http://10.77.2.2:8484/ -u pi:secret && return
		sleep 1.2
	done
	return 1
}
view_ends() { # and begins again
	wait_for 30 view_is inactive && sees pullpi 200 http://localhost:8484/ -u pi:secret && view_is active
}
view_again_local() {
	login pullpi deploypi view && sees nat 000 http://10.77.2.2:8484/ && sees pullpi 401 http://localhost:8484/
}
view_off() {
	as pullpi systemctl --user disable --now viewpi.socket && wait_for 30 view_is inactive && rm -r "$T/pullpi/home/pi/.config/viewpi"
}
lend_ffmpeg() { # the machines have none: this one's, with its libraries
	local to=$T/pullpi/root/opt/ffmpeg name loader
	mkdir -p "$to/lib"
	for name in ffmpeg ffprobe; do
		cp "$(command -v $name)" "$to/" || return
		ldd "$to/$name" | sed -nE 's|.*[ \t](/[^ ]+) \(.*|\1|p' | xargs cp -Lut "$to/lib" || return
		loader=$(basename "$(ls "$to"/lib/ld-linux*)")
		printf '#!/bin/sh\nexec /opt/ffmpeg/lib/%s --library-path /opt/ffmpeg/lib /opt/ffmpeg/%s "$@"\n' "$loader" $name \
			>"$T/pullpi/root/usr/local/bin/$name"
		chmod 755 "$T/pullpi/root/usr/local/bin/$name"
	done
}
# The timer makes yesterday's film, in a zone in which this minute is the first of tomorrow. A slot is a second here, so
# it takes some of them.
film_of_yesterday() {
	local units=$T/pullpi/home/pi/.config/systemd/user film minutes zone
	minutes=$((1440 - 10#$(date -u +%H) * 60 - 10#$(date -u +%M)))
	zone=TOM-$((minutes / 60)):$((minutes % 60))
	film=$T/pullpi/home/pi/films/garden/$(date -u +%F).mp4
	lend_ffmpeg || return
	mkdir -p "$units/viewpi-film@garden.service.d" "$units/viewpi-film@garden.timer.d"
	printf '[Service]\nEnvironment=TZ=%s\nExecStart=\nExecStart=/usr/bin/viewpi film -e 5min -- garden\n' "$zone" >"$units/viewpi-film@garden.service.d/rig.conf"
	printf '[Timer]\nRandomizedDelaySec=0\nOnCalendar=\nOnActiveSec=1s\n' >"$units/viewpi-film@garden.timer.d/rig.conf"
	chown -R 1000:1000 "$units"
	as pullpi systemctl --user daemon-reload
	as pullpi systemctl --user enable --now viewpi-film@garden.timer || return
	wait_for 120 test -e "$film" || { as pullpi journalctl --user --no-pager -n 20 -u viewpi-film@garden; return 1; }
	cmp "$film" "$(dirname "$film")/latest.mp4" && [ "$(ffprobe -v error -show_entries stream=nb_frames -of csv=p=0 "$film")" -ge 1 ]
}

part_view() {
	check "deploypi view: systemd listens, nothing runs" view_switched_on
	check "this machine sees its cameras" seen_here
	check "no other machine does" sees nat 000 http://10.77.2.2:8484/
	check "deploypi view --lan, with a password" login pullpi "echo secret | deploypi view --lan"
	check "another machine, without the password or with a wrong one" refused_there
	sleep 1.2
	check "another machine, with the password" seen_there
	check "nobody looks: no process" view_ends
	check "deploypi view: for this machine again, with the password" view_again_local
	check "switched off" view_off
	check "the timer makes yesterday's film, in its sandbox" film_of_yesterday
	check "no unit failed" nothing_failed
}
