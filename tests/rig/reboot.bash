# SPDX-License-Identifier: MIT
# For tests/rig/run: both machines restart and nobody logs in.

figures() { # what capture takes, from its control group and its process, and the last run of each pull unit
	local unit
	# shellcheck disable=SC2016 # for the shell in there
	on capturepi sh -c '
		usec=$(sed -n "s/^usage_usec //p" "/sys/fs/cgroup$1/cpu.stat")
		for pid in $(cat "/sys/fs/cgroup$1/cgroup.procs"); do
			echo "measured: capturepi.service: $((usec / 1000)) ms of CPU in" $(ps -o etimes= -p "$pid") \
				"s, memory:" $(grep -hE "^(VmHWM|Pss):" "/proc/$pid/status" "/proc/$pid/smaps_rollup")
		done' sh "$(as capturepi systemctl --user show -P ControlGroup capturepi.service)"
	for unit in pullpi-latest@garden.service pullpi-sync@garden.service; do
		echo "measured: $unit: $(($(as pullpi systemctl --user show -P CPUUsageNSec "$unit") / 1000000)) ms of" \
			"CPU in its last run"
	done
}
rebooted_alone() {
	local before had asked
	before=$(newest "$captures") had=$(newest "$pulled")
	asked=$(date +%s)
	machine_reboot capturepi && machine_reboot pullpi || return
	wait_for 60 newer "$captures" $((before + 5)) || { echo "no picture after the reboot"; return 1; }
	lines_after "$captures" "$before" | perl -MTime::Local -ne '
		BEGIN { $asked = shift @ARGV }
		next unless /"boot":"([^"]*)"/;
		$old //= $1;
		next unless $1 ne $old && /"exposed":"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)/;
		printf "measured: first picture %d s after the reboot was asked for\n",
			timegm($6, $5, $4, $3, $2 - 1, $1) - $asked;
		exit' "$asked"
	wait_for 90 newer "$pulled" "$((before + 3))" || { echo "nothing is pulled after the reboot"; return 1; }
	catches_up 60
}
nobody_logged_in() {
	! { on capturepi loginctl --no-legend list-sessions; on pullpi loginctl --no-legend list-sessions; } |
		grep -vw -e manager -e manager-early | grep .
}

part_reboot() {
	check "both machines: capture and pulls come back" rebooted_alone
	grep ^measured "$T/out"
	check "nobody is logged in" wait_for 30 nobody_logged_in
	check "both archives verify" verified
	check "no unit failed, no timer is dead" nothing_failed
	figures
}
