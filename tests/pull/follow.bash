# SPDX-License-Identifier: MIT
# For tests that run `pullpi follow` in the background; source it behind kit.bash.
# shellcheck disable=SC2034,SC2154 # from and for who sources it
maker=$build/tests/pull/camera
follow_pid='' notify_pid=''

stocked() { # COUNT BYTES: a camera with frames made at once
	fresh
	rm -rf "$cam/captures"
	"$maker" "$cam/captures" add "$1" "$2"
}
more() {
	"$maker" "$cam/captures" add "$1" "$2"
}
follow() { # ARGUMENT...: in the background; what it says is in $T/follow.out and .err
	: >"$T/follow.out"
	: >"$T/follow.err"
	# perl, because what bash runs in the background ignores SIGINT
	env -i PATH="$PATH" HOME="$pull" TZ=UTC ${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} \
		${notify:+NOTIFY_SOCKET="$notify"} \
		"${at_puller[@]}" perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' "$pullpi" follow --json "$@" \
		>>"$T/follow.out" 2>>"$T/follow.err" </dev/null &
	follow_pid=$!
}
end_follow() { # [SIGNAL]; its exit code is in $code
	kill "-${1:-TERM}" "$follow_pid" 2>/dev/null
	wait "$follow_pid" 2>/dev/null
	code=$?
	follow_pid=''
}

eventually() { # COMMAND...: a deadline against hangs, not a measure
	local end=$((SECONDS + 60))
	while [ $SECONDS -lt $end ]; do
		"$@" && return
		kill -0 "$follow_pid" 2>/dev/null || break
		sleep 0.1
	done
	echo "    not within 60 s, or follow ended: $*"
	sed 's/^/    | /' "$T/follow.err" | tail -n 5
	false
}
here() { # SEQ is in the archive as journal and file, and the newest
	[ "$("$maker" "$archive" frames 2>/dev/null | sort -n | tail -n 1 | cut -d' ' -f1)" = "$1" ]
}
count() { # N frames are in the archive
	[ "$("$maker" "$archive" frames 2>/dev/null | wc -l)" -eq "$1" ]
}
same_latest() {
	cmp -s "$archive/latest.jpg" "$cam/captures/latest.jpg"
}
told() { # N frames in its output
	[ "$(grep -c '"seq"' "$T/follow.out")" -eq "$1" ]
}
free_archive() { # nobody holds the fair lock
	flock -n "$archive/.writer" true && flock -n "$archive/.gate" true
}
sound() {
	P verify
	[ "$code" -eq 0 ] && [ -z "$(find "$archive" -name '.*.part' -o -name '.*.rest')" ]
}
