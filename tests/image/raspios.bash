# SPDX-License-Identifier: MIT
# For tests/image/firstrun, which sources it: makes a Debian 12 machine of tests/rig/kit.bash resemble a freshly written
# card of Raspberry Pi OS Lite bookworm in what a first boot touches. Raspberry Pi's own packages come from another
# mirror than Debian's, so userconf-pi and raspi-config are stand-ins that do what these do, as read in
# RPi-Distro/userconf-pi (userconf, cancel-rename) and RPi-Distro/raspi-config (do_wifi_country).

raspios() { # MACHINE yes|no: with or without userconf-pi and raspi-config, which Raspberry Pi OS has and a Debian has not
	local root=$T/$1/root boot=$T/$1/root/boot/firmware
	mount --bind "$T/$1/home" "$root/home" || return
	first_user "$root"
	umount "$root/home"
	rm -rf "$T/$1/home/pi/.ssh"
	echo raspberrypi >"$root/etc/hostname"
	printf '127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n' >"$root/etc/hosts"
	chroot "$root" systemctl -q disable ssh # it is started by hand, or by /boot/firmware/ssh
	# The radio is off until it knows its country: for the kernel, and for NetworkManager, which would switch it on.
	mkdir -p "$root/var/lib/systemd/rfkill" "$root/var/lib/NetworkManager"
	echo 1 >"$root/var/lib/systemd/rfkill/platform-fe300000.mmcnr:wlan"
	printf '[main]\nWirelessEnabled=false\n' >"$root/var/lib/NetworkManager/NetworkManager.state"
	mkdir -p "$boot"
	echo 'console=serial0,115200 console=tty1 root=PARTUUID=4e639091-02 rootfstype=ext4 fsck.repair=yes rootwait quiet' \
		'init=/usr/lib/raspberrypi-sys-mods/firstboot' >"$boot/cmdline.txt"
	[ "$2" = no ] || userconf_pi "$root"
}

# With a password, as images of a person's own have it, and becoming root without one.
first_user() { # ROOT
	local name
	for name in adm sudo audio video plugdev netdev; do
		chroot "$1" usermod -aG $name pi
	done
	echo pi:raspberry | chroot "$1" chpasswd
	chroot "$1" usermod -p '*' root
	echo 'pi ALL=(ALL) NOPASSWD: ALL' | install -m 0440 /dev/stdin "$1/etc/sudoers.d/010_pi-nopasswd"
}

# The very first boot, before all this, is `init=firstboot`: it makes the root larger, takes itself out of cmdline.txt,
# and gives the partitions new numbers.
resized() { # MACHINE
	sed -i 's/ init=[^ ]*//; s/ quiet//; s/PARTUUID=4e639091/PARTUUID=b6e1d20f/' "$T/$1/root/boot/firmware/cmdline.txt"
}

# A FAT has no modes: what is on the boot partition can be run and be read by everybody.
as_on_fat() { # MACHINE
	chmod -R a+rx "$T/$1/root/boot/firmware"
}

userconf_pi() { # ROOT
	local root=$1
	mkdir -p "$root/usr/lib/userconf-pi"
	install -m 0755 /dev/stdin "$root/usr/lib/userconf-pi/userconf" <<-'END'
		#!/bin/sh
		# userconf NAME HASH
		old=$(getent passwd 1000 | cut -d: -f1)
		if [ "$old" != "$1" ]; then
			usermod -l "$1" "$old"
			usermod -m -d "/home/$1" "$1"
			groupmod -n "$1" "$(getent group 1000 | cut -d: -f1)"
			sed -i "s/^$old:/$1:/" /etc/subuid /etc/subgid
			[ ! -f /etc/sudoers.d/010_pi-nopasswd ] || sed -i "s/^$old /$1 /" /etc/sudoers.d/010_pi-nopasswd
		fi
		[ -z "$2" ] || echo "$1:$2" | chpasswd -e
		/usr/bin/cancel-rename "$1"
	END
	install -m 0755 /dev/stdin "$root/usr/bin/cancel-rename" <<-'END'
		#!/bin/sh
		rm -f /etc/ssh/sshd_config.d/rename_user.conf
		systemctl --quiet reload sshd
		systemctl --quiet disable userconfig
		systemctl --quiet enable getty@tty1 --now --no-block
	END
	install -m 0755 /dev/stdin "$root/usr/bin/raspi-config" <<-'END'
		#!/bin/sh
		[ "$1 $2" = "nonint do_wifi_country" ] || exit 1
		sed -i -e 's/\s*cfg80211.ieee80211_regdom=\S*//' -e "s/\(.*\)/\1 cfg80211.ieee80211_regdom=$3/" /boot/firmware/cmdline.txt
		! systemctl -q is-active NetworkManager || nmcli radio wifi on
		for state in /var/lib/systemd/rfkill/*:wlan; do echo 0 >"$state"; done
	END
	# The wizard on the screen that asks for a name, and holds up the login until it has one.
	echo 'Banner /usr/share/userconf-pi/sshd_banner' >"$root/etc/ssh/sshd_config.d/rename_user.conf"
	cat >"$root/etc/systemd/system/userconfig.service" <<-END
		[Unit]
		Description=User configuration dialog
		After=systemd-user-sessions.service

		[Service]
		Type=oneshot
		ExecStart=/bin/false

		[Install]
		WantedBy=multi-user.target
	END
	chroot "$root" systemctl -q enable userconfig
	chroot "$root" systemctl -q disable getty@tty1
}
