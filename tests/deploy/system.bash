# SPDX-License-Identifier: MIT
# For tests/deploy/run: --system. The services of process 1, each with a user of its own, which reach nothing of anybody else's.

system() { # ARGUMENT...: deploypi as root; exit status in $rc, output in $T/out and $T/err
	on deploypi "$@" --system >"$T/out" 2>"$T/err" </dev/null
	rc=$?
}
system_says() { # STATUS TEXT... -- ARGUMENT...
	local status=$1 texts=()
	shift
	while [ "$1" != -- ]; do
		texts+=("$1")
		shift
	done
	shift
	system "$@"
	ended "$status" && says "${texts[@]}"
}
account() { # USER COMMAND...: as `sudo -u` would
	on setpriv --reuid "$1" --regid "$1" --init-groups env -i HOME="/var/lib/$1" PATH=/usr/bin:/bin "${@:2}"
}
system_now() { # PROPERTY UNIT
	on systemctl show -P "$1" "$2"
}
newer_than() { # NUMBER
	[ "$(on find /var/lib/capturepi/captures -name '2*.jpg' | wc -l)" -gt "$1" ]
}

not_for_a_person() {
	deploypi capture --system
	ended 77 && says "--system is for root" "sudo"
}
system_capture() { # from nothing, as on a new machine: no settings of the account's own yet
	mkdir -p "$T/root/etc/capturepi"
	printf '%s\n' "[test]" "light = noon" "[camera]" "source = test" "width = 640" "height = 480" "[schedule]" "every = 1s" \
		>"$T/root/etc/capturepi/capturepi.conf"
	system_says 0 "the system's systemd" "starts with the machine from now on" "started: runs" "is stored" -- capture &&
		[ "$(system_now UnitFileState capturepi)" = enabled ] &&
		[ "$(on stat -c %U:%a /var/lib/capturepi/captures)" = capturepi:700 ] &&
		[ "$(on stat -c %U /etc/capturepi/capturepi.conf)" = root ] &&
		system_says 0 "starts with the machine already" "runs already" -- capture
}
system_elsewhere() {
	sed -i '$a [archive]\npath = /mnt/elsewhere' "$T/root/etc/capturepi/capturepi.conf"
	system_says 78 "writes below /var/lib/capturepi" -- capture || return
	sed -i '/archive/d; /path/d' "$T/root/etc/capturepi/capturepi.conf"
	system_says 0 "capturepi.service" -- capture
}
commands_find_it() {
	account capturepi capturepi status >"$T/out" 2>&1 && says "service    running" "archive    /var/lib/capturepi/captures" &&
		account capturepi capturepi shot >"$T/out" 2>&1 && system_says 0 "the system's own services" "capturepi.service" -- status || return
	account capturepi capturepi doctor >"$T/out" 2>&1
	says "the systemd manager of the system answers" "capturepi.service is enabled and runs" && ! grep -E 'linger|--user' "$T/out"
}

# As it is known from tests/rig/sandbox.bash: it must write its archive, and nothing else here may work.
write_system_probe() {
	cat >"$T/root/usr/local/bin/system-probe" <<-'END'
		#!/bin/bash
		try() {
			local name=$1
			shift
			if timeout 10 "$@" >/dev/null 2>&1; then echo "did $name"; else echo "not $name"; fi
		}
		cd /
		connects() { # SOCKET
			perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); exit !connect(S, sockaddr_un(shift))' "$1"
		}
		export -f connects
		other=$(pgrep -u pi | head -n 1) root=$(pgrep -u root -x systemd-journal)
		try archive bash -c 'echo >~/captures/.probe && rm ~/captures/.probe'
		try system-bus bash -c 'connects /run/dbus/system_bus_socket'
		try manager bash -c 'connects /run/systemd/private'
		try user-manager bash -c 'connects /run/user/1000/systemd/private'
		try systemd-run systemd-run --quiet --wait true
		try home bash -c 'echo >~/.probe'
		try login-key bash -c 'mkdir -p ~/.ssh && echo >>~/.ssh/authorized_keys'
		try settings bash -c 'echo >>/etc/capturepi/capturepi.conf'
		try units bash -c 'echo >/etc/systemd/system/probe.conf'
		try other-account bash -c 'ls /var/lib/pullpi && echo >/var/lib/pullpi/probe'
		try disk bash -c 'echo >/mnt/probe'
		try namespace unshare --user true
		try suid bash -c 'cp /bin/true /tmp/suid && chmod u+s /tmp/suid'
		try kill bash -c "kill -0 $root || kill -0 $other"
		try read-home cat /home/pi/.config/capturepi/capturepi.conf
		try read-key cat /home/pi/.ssh/id
		try read-environment cat /proc/1/environ
		try read-log ls /var/log/journal
		try read-tmp cat /tmp/system-probe
		try read-shm cat /dev/shm/system-probe
		try shadow cat /etc/shadow
	END
	chmod 755 "$T/root/usr/local/bin/system-probe"
	on sh -c 'chmod 755 /home/pi; chmod 777 /mnt; mkdir -p /var/log/journal
		echo x | tee /tmp/system-probe >/dev/shm/system-probe'
	account capturepi bash -c 'cat /tmp/system-probe /dev/shm/system-probe; echo >/mnt/probe' >"$T/out" 2>"$T/err"
}
system_holds() {
	local unit=$T/root/run/systemd/system/system-probe.service
	on mkdir -p /run/systemd/system
	on sh -c "sed -e 's|^ExecStart=.*|ExecStart=/usr/local/bin/system-probe|' -e 's/^Type=.*/Type=oneshot/' -e '/^Restart=/d' \
		-e '/^WatchdogSec=/d' -e '/^ExecReload=/d' -e '/^\[Service\]/a StandardOutput=truncate:/probe.out' \
		/usr/lib/systemd/system/capturepi.service >/run/systemd/system/system-probe.service
		systemctl daemon-reload; systemctl start system-probe" >"$T/out" 2>"$T/err" || { cat "$unit"; return 1; }
	cp "$T/root/probe.out" "$T/out"
	[ "$(grep -c . "$T/out")" -eq 21 ] && [ "$(sed -n 's/^did //p' "$T/out")" = archive ]
}
system_pull() { # paired with the account of the camera on this machine, which nobody logs in to
	local fingerprint line
	system_says 78 "no camera is paired yet" "sudo -u pullpi pullpi pair" -- pull || return
	on systemctl start ssh
	fingerprint=$(on ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2)
	line=$(account pullpi pullpi pair capturepi@localhost --camera garden --print) || return
	on install -d -o capturepi -g capturepi -m 700 /var/lib/capturepi/.ssh
	echo "$line" >"$T/root/var/lib/capturepi/.ssh/authorized_keys"
	account pullpi pullpi pair capturepi@localhost --camera garden --fingerprint "$fingerprint" >"$T/out" 2>&1 || return
	system_says 0 "pulled/garden/2" "pullpi-sync@garden.timer: next at" -- pull &&
		[ "$(on stat -c %U /var/lib/pullpi/pulled/garden/archive.json)" = pullpi ] &&
		on systemctl start pullpi-sync@garden pullpi-latest@garden
}
system_boots() {
	local before
	machine_reboot || return
	before=$(on find /var/lib/capturepi/captures -name '2*.jpg' | wc -l)
	wait_for 30 newer_than "$before" && [ "$(system_now ActiveState pullpi-latest@garden.timer)" = active ] &&
		system_says 0 "capturepi.service" -- status
}
system_removed() {
	system_says 0 "stopped" "users capturepi and pullpi stay" -- remove && [ "$(system_now ActiveState capturepi)" = inactive ] &&
		[ -z "$(find "$T/root/etc/systemd/system" -type l -name '*pi*.*')" ] && newer_than 0 &&
		system_says 1 "inactive" -- status
}

part_system() {
	check "--system is for root" not_for_a_person
	check "capture --system, from nothing to a stored frame" system_capture
	check "an archive that it may not write is refused" system_elsewhere
	check "status, shot and doctor find it" commands_find_it
	check "what the probe tries is open without a sandbox" write_system_probe
	check "capturepi.service of the system writes its archive, no more" system_holds
	check "pull --system" system_pull
	check "it starts with the machine" system_boots
	check "remove --system leaves the pictures" system_removed
}
