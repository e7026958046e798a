# SPDX-License-Identifier: MIT
# For tests that need a bad link; source it, with $build the build folder. Two network namespaces,
# LINK-a and LINK-b, which see each other as 10.78.0.1 and 10.78.0.2 over an emulated link (linkem.c)
# and see nothing else. Needs root. One link at a time.
#
#   link_up LINK DELAY_MS RATE_AB RATE_BA QUEUE_BYTES LOSS_PERCENT [SEED]   bit/s; 0: no limit
#   link_dark, link_light     packets vanish; and come through again
#   link_is_dark              whether they vanish now
#   link_a, link_b COMMAND...  runs it in that namespace
#   link_down                 ends the link, what runs at its ends, and the namespaces; before another link
link_name='' link_pid='' link_state=light
link_ip_a=10.78.0.1 link_ip_b=10.78.0.2

link_end() { # an end of the link gets its addresses: NETNS OWN PEER
	ip -n "$1" link set lo up && ip -n "$1" addr add "$2" peer "$3" dev tl0 &&
		ip -n "$1" link set tl0 mtu 1500 up
}

link_up() {
	local ready=''
	link_name=$1
	shift
	ip netns add "$link_name-a" && ip netns add "$link_name-b" || return
	exec 6< <(exec "$build/tests/link/linkem" "$link_name-a" "$link_name-b" "$@")
	link_pid=$!
	read -r ready <&6
	[ "$ready" = ready ] && link_end "$link_name-a" $link_ip_a $link_ip_b &&
		link_end "$link_name-b" $link_ip_b $link_ip_a
}

link_down() {
	local end
	[ -z "$link_pid" ] || kill "$link_pid" 2>/dev/null
	for end in ${link_name:+"$link_name-a" "$link_name-b"}; do
		# shellcheck disable=SC2046 # numbers
		kill -KILL $(ip netns pids "$end")
		ip netns del "$end"
	done 2>/dev/null
	link_name='' link_pid='' link_state=light
	exec 6<&-
}

link_dark() {
	kill -USR1 "$link_pid" && link_state=dark
}
link_light() {
	kill -USR2 "$link_pid" && link_state=light
}
link_is_dark() {
	[ $link_state = dark ]
}

link_a() {
	ip netns exec "$link_name-a" "$@"
}
link_b() {
	ip netns exec "$link_name-b" "$@"
}
