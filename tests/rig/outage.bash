# SPDX-License-Identifier: MIT
# For tests/rig/run: what is between the machines fails, then CapturePi itself. Capture never waits for the network;
# PullPi goes on trying, without a failed unit, and catches up.

link_down_and_up() {
	local before had
	before=$(newest "$captures") had=$(newest "$pulled")
	link down
	sleep 15 # the timers fire several times
	newer "$captures" $((before + 10)) || { link up; echo "capture waited for the network"; return 1; }
	! newer "$pulled" $((had + 7)) || { link up; echo "the link was not down"; return 1; }
	nothing_failed || { link up; return 1; }
	! lines_after "$captures" "$before" | grep '"miss":' || { link up; return 1; }
	link up
	catches_up 90
}
nat_forgets_again_and_again() { # a slow sync loses its connection and goes on
	local n
	as pullpi systemctl --user stop pullpi-sync@garden.timer pullpi-sync@garden.service
	sleep 12
	as pullpi systemctl --user start --no-block pullpi-sync@garden
	for n in 1 2 3 4; do
		sleep 1
		nat_forgets >/dev/null 2>&1
	done
	as pullpi systemctl --user start pullpi-sync@garden.timer
	catches_up 120
}
power_cycled() {
	local before
	before=$(newest "$captures")
	machine_cut capturepi
	sleep 8
	nothing_failed_on_pullpi || return
	machine_boot capturepi || return
	wait_for 60 newer "$captures" $((before + 3)) || return
	echo "measured: $(missed "$before" down) slots of a second without power or service"
	[ "$(missed "$before" down)" -ge 7 ] && catches_up 90
}
nothing_failed_on_pullpi() {
	! as pullpi systemctl --user --failed --no-legend --plain list-units | grep .
}

part_outage() {
	check "link down: capture goes on, PullPi catches up" link_down_and_up
	check "NAT forgets: a sync goes on" nat_forgets_again_and_again
	check "power cut of CapturePi: back without a login, PullPi catches up" power_cycled
	grep ^measured "$T/out"
	check "both archives verify" verified
	check "no unit failed, no timer is dead" nothing_failed
}
