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
	# logind wants to know the control group of who asks
	on capturepi systemd-run -q --wait loginctl enable-linger root
	wait_for 30 on capturepi test -S /run/user/0/systemd/private || return
	on capturepi sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -qy --reinstall /home/pi/newer/*.deb'
	! on capturepi env XDG_RUNTIME_DIR=/run/user/0 systemctl --user is-active capturepi.service
	local r=$?
	on capturepi systemd-run -q --wait loginctl disable-linger root
	return $r
}
# What a user can do to processes of root's that become his: he stops all that he has, and notes each that he did not
# start and that has a terminal, to push keystrokes into or to read from.
hostile_program() {
	cat <<-'END'
		$| = 1;
		while (1) {
			for my $process (grep { (stat)[4] == $< } glob "/proc/[0-9]*") {
				my ($pid) = $process =~ /(\d+)/;
				next if $pid == $$;
				open my $file, "<", "$process/stat" or next;
				my ($name, $terminal) = <$file> =~ /\((.*)\) \S+ \d+ \d+ \d+ (-?\d+)/;
				print "$name has a terminal\n" if $terminal;
				for (glob "$process/fd/*") {
					next unless (readlink // "") =~ m{^/dev/(pts/|tty|console)};
					print "$name holds a terminal\n";
					print "$name: pushed\n" if open my $tty, "+<", $_ and ioctl $tty, 0x5412, my $key = "#";
				}
				kill STOP => $pid and print "$name is stopped\n";
			}
			select undef, undef, undef, 0.005;
		}
	END
}
# Another one leads whoever asks his manager to root's, where a unit has the name of ours.
links_planted() {
	on capturepi useradd trudy
	on capturepi sh -c 'systemctl start "user@$(id -u trudy)"
		systemd-run -q --unit=capturepi sleep infinity
		cd "/run/user/$(id -u trudy)" && setpriv --reuid trudy --regid trudy --clear-groups sh -c "
			mv systemd systemd.old && ln -s /run/systemd systemd && ln -sf /run/dbus/system_bus_socket bus"'
}
roots_unit() {
	on capturepi systemctl show -P InvocationID capturepi.service
}
attacked() { # packages come while users attack, from a terminal as a person has it
	local log=$T/capturepi/home/mallory.log run roots
	run=$(invocation)
	on capturepi useradd mallory
	on capturepi sh -c 'systemctl start "user@$(id -u mallory)"' && links_planted || return
	roots=$(roots_unit)
	# its own package stays as it is meanwhile
	on capturepi sed -i 's/^limit=120.*/limit=10/' /usr/libexec/capturepi/each-manager
	hostile_program >"$T/capturepi/home/hostile"
	on capturepi systemd-run -q --unit=hostile --uid=mallory -p StandardOutput=truncate:/home/mallory.log \
		perl /home/hostile
	wait_for 30 grep -q '^systemd is stopped' "$log"
	on capturepi timeout -s KILL 150 script -qec 'DEBIAN_FRONTEND=noninteractive apt-get -qy install --reinstall \
		/home/pi/newer/capturepi_*.deb' /dev/null </dev/null
	local r=$?
	on capturepi sh -c 'systemctl stop hostile
		systemctl kill -s KILL "user@$(id -u mallory)"
		systemctl stop "user@$(id -u mallory)" "user@$(id -u trudy)"
		systemctl reset-failed "user@$(id -u mallory)"'
	sort "$log" | uniq -c
	[ $r -eq 0 ] && grep -q '^systemctl is stopped' "$log" && ! grep -E 'terminal|pushed' "$log" &&
		[ "$(invocation)" != "$run" ] && [ "$(roots_unit)" = "$roots" ] && on capturepi systemctl stop capturepi &&
		! on capturepi pgrep -u mallory,trudy systemctl
}

part_upgrade() {
	check "later packages" newer_packages
	check "CapturePi: an upgrade loses the slots of one restart" upgraded
	grep ^measured "$T/out"
	check "an upgrade starts nothing for another user" nobody_elses
	check "hostile users neither stop an upgrade, nor lead it astray, nor see root's terminal" attacked
	check "PullPi: an upgrade" install_newer pullpi pullpi
	check "deploypi restart loses the slots of one restart" restarted
	grep ^measured "$T/out"
	check "pictures still arrive" catches_up 60
	check "no unit failed, no timer is dead" nothing_failed
}
