# SPDX-License-Identifier: MIT
# For tests/rig/run: new packages while the service runs, and a plain restart. Each loses the slots of the restart and no
# other: the service is down once at most.

newer_packages() { # the same again under a later version, as only the version decides
	local deb
	mkdir -p "$T/newer"
	for deb in "$work/$suite"/*.deb; do
		rm -rf "$T/deb"
		dpkg-deb -R "$deb" "$T/deb" &&
			sed -i -E 's/^Version: .*/&+rig/; s/^(Depends: .*deploypi \(= [^)]*)/\1+rig/' "$T/deb/DEBIAN/control" &&
			dpkg-deb --root-owner-group -b "$T/deb" "$T/newer/$(basename "$deb")" || return
	done
}
invocation() {
	as capturepi systemctl --user show -P InvocationID capturepi.service
}
install_newer() { # MACHINE PACKAGE
	mkdir -p "$T/$1/home/pi/newer"
	cp "$T"/newer/{deploypi,"$2"}_*.deb "$T/$1/home/pi/newer/"
	on "$1" sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -qy /home/pi/newer/*.deb'
	on "$1" dpkg-query -W -f '${Version} ${db:Status-Status}\n' "$2" | grep -q 'rig installed$'
}
# What a busy machine misses besides has another cause, and is told but not judged.
one_gap() { # SEQ WHAT: the service was down once at most since then
	local since=$1 downs
	downs=$(lines_after "$captures" "$since" | grep -c '"miss":"down"')
	echo "measured: $2: $(missed "$since") slots of a second missed, $(missed "$since" down) of them down"
	lines_after "$captures" "$since" | grep '"miss":'
	[ "$downs" -le 1 ]
}
upgraded() {
	local before run
	before=$(newest "$captures") run=$(invocation)
	sleep 3
	install_newer capturepi capturepi || return
	[ "$(invocation)" != "$run" ] || { echo "the old program still runs"; return 1; }
	wait_for 60 newer "$captures" "$(($(newest "$captures") + 3))" && one_gap "$before" "upgrade"
}
restarted() {
	local before
	before=$(newest "$captures")
	sleep 3
	login capturepi deploypi restart capturepi.service || return
	wait_for 60 newer "$captures" "$(($(newest "$captures") + 3))" && one_gap "$before" "deploypi restart"
}
nobody_elses() { # a user who has a manager and did not ask for the service has none
	on capturepi loginctl enable-linger root
	wait_for 30 on capturepi test -S /run/user/0/systemd/private
	on capturepi sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -qy --reinstall /home/pi/newer/*.deb'
	! on capturepi env XDG_RUNTIME_DIR=/run/user/0 systemctl --user is-active capturepi.service
	local r=$?
	on capturepi loginctl disable-linger root
	return $r
}

part_upgrade() {
	check "later packages" newer_packages
	check "CapturePi: an upgrade loses the slots of one restart" upgraded
	grep ^measured "$T/out"
	check "an upgrade starts nothing for another user" nobody_elses
	check "PullPi: an upgrade" install_newer pullpi pullpi
	check "deploypi restart loses the slots of one restart" restarted
	grep ^measured "$T/out"
	check "pictures still arrive" catches_up 60
	check "no unit failed, no timer is dead" nothing_failed
}
