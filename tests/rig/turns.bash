# SPDX-License-Identifier: MIT
# For tests/rig/run: two oneshots, one archive. What the article's units do to each other, and what ours do not, though
# each is started by its timer, by hand, restarted, stopped and killed while the other works.
turns=${RIG_TURNS:-40}

# ---- the article's units: mbsync.service and mbsync-quick.service, a sleep in place of mbsync

article_unit() { # NAME UNIT_LINE SERVICE_LINE
	printf '[Unit]\n%s\n[Service]\nType=oneshot\n%s\nExecStart=/bin/sleep 3\n' "$2" "$3" \
		>"$T/pullpi/home/pi/.config/systemd/user/$1.service"
}
result_of() { # UNIT
	as pullpi systemctl --user show -P Result "$1"
}
conflicts_kills() {
	article_unit article-full Conflicts=article-quick.service ''
	article_unit article-quick Conflicts=article-full.service ''
	as pullpi systemctl --user daemon-reload
	as pullpi systemctl --user start --no-block article-full
	sleep 1
	as pullpi systemctl --user start article-quick
	as pullpi journalctl --user --no-pager -u article-full | grep -q 'status=15/TERM'
}
waiting_deadlocks() { # both asked for within its half second: each waits for the other, for ever
	local other busy='while systemctl --user is-active %s | grep -q activating; do sleep 0.5; done'
	for unit in full quick; do
		other=article-$([ $unit = full ] && echo quick || echo full).service
		# shellcheck disable=SC2059 # the format is above
		article_unit article-$unit '' "ExecStartPre=/bin/sh -c '$(printf "$busy" "$other")'"
	done
	as pullpi systemctl --user daemon-reload
	as pullpi systemctl --user start --no-block article-full article-quick
	sleep 8 # a sleep of 3 s each, one after the other
	for unit in full quick; do
		[ "$(as pullpi systemctl --user show -P SubState article-$unit)" = start-pre ] || return
	done
}
article_ends() {
	as pullpi systemctl --user kill --signal=KILL article-full article-quick
	as pullpi systemctl --user reset-failed
	rm -f "$T"/pullpi/home/pi/.config/systemd/user/article-*
	as pullpi systemctl --user daemon-reload
}

# ---- ours

# One request, to its end; 100 s would be a deadlock. What was there before the request must be here after it, but for
# the one picture that may have come since a run asked that this request joined: a start of what runs is no new run.
ask() { # VERB UNIT
	local want=0
	[ "$2" != pullpi-latest@garden ] || want=$(newest "$captures")
	as pullpi timeout 100 systemctl --user "$1" "$2" || { echo "$1 $2: exit status $?"; return 1; }
	newer "$pulled" $((want - 2)) || { echo "$1 $2: $want was there and is not here"; return 1; }
}
main_pid() { # UNIT
	as pullpi systemctl --user show -P MainPID "$1"
}
# Once the manager knows that it is dead: a start before that joins the job that was killed, and fails with it.
kill_hard() { # UNIT, in the middle of its work
	local pid
	as pullpi systemctl --user start --no-block "$1"
	sleep "0.0$((RANDOM % 10))"
	pid=$(main_pid "$1")
	if [ "$pid" -ne 0 ] && on pullpi kill -KILL "$pid" 2>/dev/null; then
		echo "$1" >>"$T/killed"
		wait_for 30 is_reaped "$1" "$pid"
	fi
	ask start "$1"
}
is_reaped() { # UNIT PID
	[ "$(main_pid "$1")" != "$2" ]
}
turns_of() { # UNIT SEED: one of the two sides
	local unit=$1 n
	RANDOM=$2
	for n in $(seq "$turns"); do
		case $((RANDOM % 6)) in
		0 | 1) ask start "$unit" ;;
		2) ask restart "$unit" ;;
		3)
			as pullpi systemctl --user start --no-block "$unit"
			as pullpi timeout 100 systemctl --user stop "$unit" 2>/dev/null && ask start "$unit"
			;;
		4) kill_hard "$unit" ;;
		5) as pullpi systemctl --user start --no-block "$unit" && ask start "$unit" ;;
		esac || { echo "request $n of $unit"; return 1; }
	done
}
# Holds the lock as a third one would, and looks whether anybody writes meanwhile. (journal/retention is the sync's
# own, with a lock of its own.)
nobody_writes() {
	while [ ! -e "$T/turns-done" ]; do
		flock "$pulled/.writer" sh -c '
			cd "$0" || exit
			for when in before after; do
				find . -name ".?*" -prune -o ! -name retention ! -type d -printf "%p %s %T@\n" | sort >"$1.$when"
				sleep 0.2
			done' "$pulled" "$T/tree"
		cmp -s "$T/tree.before" "$T/tree.after" || {
			echo "written without the lock:"
			diff "$T/tree.before" "$T/tree.after"
			return 1
		}
		looks=$((${looks-0} + 1))
		sleep 0.3
	done
	[ "$looks" -ge 3 ]
}
against_each_other() {
	local seed=${TEST_SEED:-$RANDOM} one two r=0
	echo "TEST_SEED=$seed"
	rm -f "$T/turns-done" "$T/killed"
	nobody_writes >"$T/lock.out" 2>&1 &
	local watcher=$!
	turns_of pullpi-latest@garden "$seed" >"$T/latest.out" 2>&1 &
	one=$!
	turns_of pullpi-sync@garden "$((seed + 1))" >"$T/sync.out" 2>&1 &
	two=$!
	wait $one || r=1
	wait $two || r=1
	touch "$T/turns-done"
	wait $watcher || r=1
	cat "$T"/{latest,sync,lock}.out
	[ "$turns" -lt 40 ] || [ "$(grep -cE 'latest|sync' "$T/killed")" -gt 1 ] || { echo "none was killed in its work"; r=1; }
	return $r
}

part_turns() {
	check "the article: Conflicts= kills the one that runs" conflicts_kills
	check "the article: waiting in ExecStartPre= never ends" waiting_deadlocks
	article_ends
	check "ours: $turns requests to each of two units: none lost, none stuck, one at a time" against_each_other
	check "all pictures are here" catches_up 60
	check "both archives verify" verified
	check "no unit failed, no timer is dead" nothing_failed
}
