# SPDX-License-Identifier: MIT
# For tests/rig/run: the packages go, by way of deploypi and without it. The pictures stay.

[ -n "$(declare -F by_the_page)" ] || . "$here/howto.bash"

works() { # MACHINE: a unit of ours does, or waits to start one
	as "$1" systemctl --user list-units --state=active,activating,reloading,deactivating --no-legend --plain \
		'capturepi*' 'pullpi*' 'viewpi*' | grep .
}
removed() { # MACHINE ARCHIVE PACKAGE...
	local machine=$1 archive=$2 before
	shift 2
	before=$(find "$archive" -name '2*.jpg' | wc -l)
	[ "$machine" = pullpi ] || works "$machine" || { echo "nothing runs that could be stopped"; return 1; }
	on "$machine" env DEBIAN_FRONTEND=noninteractive apt-get purge -qy "$@" deploypi || return
	! works "$machine" && ! as "$machine" pgrep -u pi "^($(IFS='|' && echo "$*"))" || { echo "still runs"; return 1; }
	[ "$(find "$archive" -name '2*.jpg' | wc -l)" -ge "$before" ] && [ "$before" -gt 5 ]
}
no_trace() { # MACHINE: of the packages
	! find "$T/$1/root/usr/bin" "$T/$1/root/usr/lib/systemd/user" "$T/$1/root/usr/libexec" \
		\( -name 'capturepi*' -o -name 'pullpi*' -o -name deploypi \) | grep .
}

# From packages again, to be taken away as docs/how-to.md has it: only the pictures stay.
uninstalled() {
	local before
	on capturepi bash -c 'DEBIAN_FRONTEND=noninteractive apt-get install -qy /home/pi/capturepi/build/packages/{capturepi,deploypi}_*.deb' ||
		return
	login capturepi deploypi capture || return
	before=$(find "$captures" -name '2*.jpg' | wc -l)
	by_the_page capturepi "Uninstall for good" || return
	[ "$(find "$captures" -name '2*.jpg' | wc -l)" -ge "$before" ] && ! as capturepi pgrep -u pi capturepi &&
		[ ! -e "$T/capturepi/root/var/lib/systemd/linger/pi" ] && ! grep capturepi "$T/capturepi/home/pi/.ssh/authorized_keys" &&
		! find "$T/capturepi/home/pi/.config" "$T/capturepi/home/pi/.local" -name '*capturepi*' | grep .
}

none_enabled() { # MACHINE: a unit of ours, timers of films too
	! as "$1" systemctl --user list-unit-files --state=enabled --no-legend 'capturepi*' 'pullpi*' 'viewpi*' | grep .
}

hook_and_metrics() {
	printf '[hook]\ncommand = true\n' >>"$T/capturepi/home/pi/.config/capturepi/capturepi.conf"
	login capturepi systemctl --user enable --now capturepi-new.path capturepi-metrics.timer
}

part_remove() {
	check "PullPi: deploypi remove" login pullpi deploypi remove
	check "PullPi: no unit is enabled any more" none_enabled pullpi
	check "PullPi: the packages go, the pictures stay" removed pullpi "$pulled" pullpi
	check "CapturePi: a hook and metrics as well" hook_and_metrics
	check "CapturePi: removed while it runs, the pictures stay" removed capturepi "$captures" capturepi
	check "nothing of the packages is left" no_trace capturepi
	check "no unit failed" nothing_failed
	check "uninstalled as the page has it" uninstalled
}
