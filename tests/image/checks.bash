# SPDX-License-Identifier: MIT
# For tests/image/run and tests/image/firstrun, which source it: what must hold on a machine that a seed has set up.
# Each of them knows `look MACHINE COMMAND`, which has a shell of the seed's user there run COMMAND.
# shellcheck disable=SC2016 # what stands in single quotes is for the machine that is looked at

only_ssh_listens() {
	local ports
	ports=$(look "$1" "ss -Hlntu | awk '{ print \$5 }' | grep -vE '^(127\.|\[::1\]|.*%lo:)' | sed 's/.*://' | sort -u | tr '\n' ' '")
	[ "${ports// /}" = 22 ] || { echo "        ports: $ports"; return 1; }
}
ours_run_as_the_user() { # MACHINE USER
	! look "$1" "ps -eo user:32,args | grep -E '(capturepi|pullpi) ' | grep -v grep" | grep -v "^$2 " | grep -v 'sshd\|setup'
}
no_password() {
	[[ "$(look "$1" 'passwd -S')" == *" L "* ]]
}
# What the user can read is what a stranger on the machine can read, and more: no Wi-Fi password, no key but the user's.
no_secret_for_others() { # MACHINE WIFI_PASSWORD
	local found
	found=$(look "$1" "grep -rlsF -e '$2' -e 'PRIVATE KEY-----' /boot /etc /run /srv /tmp /var 2>/dev/null
		find /home -type f -perm /044 -exec grep -lsF 'PRIVATE KEY-----' {} +")
	[ -z "$found" ] || { echo "$found"; return 1; }
}
no_failed_units() {
	local units
	units=$(look "$1" 'systemctl --failed --no-legend --plain; systemctl --user --failed --no-legend --plain')
	[ -z "$units" ] || { echo "$units"; return 1; }
}
