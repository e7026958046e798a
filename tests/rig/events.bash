# SPDX-License-Identifier: MIT
# For tests/rig/run: what other programs hear of both machines, switched on as the pages have it: hooks, metrics, messages.
# `deploypi remove` takes all of it, and what is set up again goes on without it.
[ -n "$(declare -F works)" ] || . "$here/remove.bash"
told=$T/pullpi/home/pi/.local/state/pullpi/told # where the sandbox of the messages lets their command write

page_of() { # MACHINE
	case $1 in
	capturepi) echo "$src/capture/capturepi.1.scd" ;;
	pullpi) echo "$src/pull/pullpi.1.scd" ;;
	esac
}
settings_add() { # MACHINE LINE...
	local machine=$1 file=$T/$1/home/pi/.config/$1/$1.conf
	shift
	[ -e "$file.before" ] || cp -p "$file" "$file.before"
	printf '%s\n' "$@" >>"$file"
}
settings_back() {
	local machine
	for machine in capturepi pullpi; do
		mv "$T/$machine/home/pi/.config/$machine/$machine.conf"{.before,} || return
	done
}
hook_on() { # MACHINE
	settings_add "$1" '[hook]' 'command = echo "$4 $2 $1" >>~/hooked'
	login "$1" "$("$src/tests/commands" "$(page_of "$1")" '# HOOKS' | sed 's/CAMERA/garden/')"
}
# Each picture once, with what it is told of it.
hooked() { # MACHINE PICTURES
	local file=$T/$1/home/pi/hooked
	[ -e "$file" ] && [ "$(wc -l <"$file")" -ge "$2" ]
}
hook_ran() { # MACHINE
	local file=$T/$1/home/pi/hooked camera number path
	wait_for 120 hooked "$1" 3 || { as "$1" journalctl --user --no-pager -n 20 -u '*-new*'; return 1; }
	[ -z "$(cut -d' ' -f2 "$file" | sort | uniq -d)" ] || { cat "$file"; return 1; }
	read -r camera number path <"$file"
	echo "$camera $number $path"
	[ "$camera" = garden ] && [[ $path == *-$(printf %08d "$number").jpg ]] && on "$1" test -s "$path"
}
metrics_on() { # MACHINE: node_exporter itself need not be there
	local line
	on "$1" mkdir -p /var/lib/prometheus/node-exporter
	while read -r line <&5; do
		case $line in
		*apt\ install*) ;;
		sudo\ *) on "$1" sh -c "$(sed 's/^sudo //; s/"$(id -gn)"/pi/' <<<"$line")" ;;
		*) login "$1" "$line" ;;
		esac || return
	done 5< <("$src/tests/commands" "$(page_of "$1")" '# METRICS')
	login "$1" systemctl --user is-enabled "$1-metrics.timer"
}
metrics_there() { # MACHINE SAMPLE: the timer's next minute
	local file=$T/$1/root/var/lib/prometheus/node-exporter/$1.prom
	wait_for 150 grep -qE "$2" "$file" && return
	as "$1" journalctl --user --no-pager -n 20 -u "$1-metrics"
	cat "$file"
	return 1
}
# Every ten seconds; a cause that is known at once is told after `after`.
watch_on() {
	local drop_in=$T/pullpi/home/pi/.config/systemd/user/pullpi-watch.timer.d
	mkdir -p "$drop_in"
	printf '[Timer]\nOnCalendar=\nOnCalendar=*-*-* *:*:0/10 UTC\n' >"$drop_in/rig.conf"
	printf '#!/bin/sh\necho "$1|$2|$4|$3" >>~/.local/state/pullpi/told\n' >"$T/pullpi/home/pi/tell"
	chmod 755 "$T/pullpi/home/pi/tell"
	chown -R 1000:1000 "$T/pullpi/home/pi/.config" "$T/pullpi/home/pi/tell"
	settings_add pullpi '[alarm]' 'command = /home/pi/tell' 'after = 1min'
	login pullpi deploypi pull && as pullpi systemctl --user is-enabled pullpi-watch.timer && login pullpi pullpi watch --test &&
		grep -q '^test|' "$told"
}
told_of_it() { # pictures come, and may not be stored
	settings_add pullpi '[camera garden]' 'max_frames = 1'
	wait_for 300 grep -qs '^down|garden: [^|]*|garden|.*what the settings allow this camera is used up' "$told" && return
	as pullpi journalctl --user --no-pager -n 20 -u pullpi-watch
	cat "$told"
	return 1
}
all_removed() {
	local machine file
	for machine in capturepi pullpi; do
		works "$machine" >"$T/said"
		for file in "$machine-metrics.timer" "$machine-new"; do
			grep -q "^$file" "$T/said" || { echo "$machine: $file did not run"; return 1; }
		done
		login "$machine" deploypi remove || return
		none_enabled "$machine" && ! works "$machine" || return
	done
}
set_up_again() {
	settings_back && rm -r "$T/pullpi/home/pi/.config/systemd/user/pullpi-watch.timer.d" || return
	as pullpi systemctl --user reset-failed
	login capturepi deploypi capture && login pullpi deploypi pull && works pullpi >"$T/said" || return
	! grep -E '^pullpi-(watch|metrics|new)' "$T/said"
}

part_events() {
	check "PullPi: a hook, as the page has it" hook_on pullpi
	check "CapturePi: a hook, as the page has it" hook_on capturepi
	check "PullPi: its command has pictures" hook_ran pullpi
	check "CapturePi: its command has pictures" hook_ran capturepi
	check "PullPi: metrics, as the page has it" metrics_on pullpi
	check "CapturePi: metrics, as the page has it" metrics_on capturepi
	check "deploypi pull: messages by a command" watch_on
	check "CapturePi: the timer writes metrics" metrics_there capturepi '^capturepi_up\{camera="garden"\} 1$'
	check "PullPi: the timer writes metrics" metrics_there pullpi '^pullpi_hook_pictures_total\{camera="garden",outcome="ran"\} [1-9]'
	check "a camera whose pictures may not be stored is told of" told_of_it
	check "deploypi remove takes all of it" all_removed
	check "set up again: without what is not asked for" set_up_again
	check "pictures still arrive" catches_up 60
	check "no unit failed, no timer is dead" nothing_failed
}
