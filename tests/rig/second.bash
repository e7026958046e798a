# SPDX-License-Identifier: MIT
# For tests/rig/run: a second camera on CapturePi, which PullPi pulls as a second one, and what becomes of both when one
# stops, is upgraded, is called something else, goes.
[ -n "$(declare -F newer_packages)" ] || . "$here/upgrade.bash"
home=$T/capturepi/home/pi puller=$T/pullpi/home/pi

porch_settings() {
	printf '%s\n' "[schedule]" "every = 1s" "wait_for_clock = 0s" "[test]" "light = noon" "[hook]" "command = true" \
		"[camera]" "source = test" "width = 320" "height = 240" \
		>"$home/.config/capturepi/porch.conf"
	chown 1000:1000 "$home/.config/capturepi/porch.conf"
}
deployed_second() {
	porch_settings
	login capturepi deploypi capture --name porch || return
	wait_for 30 newer "$home/captures-porch" 0
}
pair_second() {
	login pullpi "pullpi pair pi@garden.example:2222 --camera porch --remote-name porch --identity login_key --fingerprint \
		$(ssh-keygen -lf "$T/capturepi/root/etc/ssh/ssh_host_ed25519_key.pub" | cut -d' ' -f2)" &&
		login pullpi deploypi pull
}
status_of() { # TEXT [OPTION...]: the service runs, and says that
	local text=$1
	shift
	login capturepi capturepi "$@" status >"$T/said" && grep -q "$text" "$T/said" || { cat "$T/said"; return 1; }
}
both_say_who_they_are() {
	status_of '^camera     garden' && status_of '^camera     porch' --name porch &&
		grep -q '"camera":"garden"' "$pulled/archive.json" && grep -q '"camera":"porch"' "$puller/pulled/porch/archive.json"
}
stop_second() { # the first goes on, and so does its status
	local before
	login capturepi systemctl --user stop capturepi@porch || return
	before=$(newest "$captures")
	status_of '^service    running' && wait_for 30 newer "$captures" "$((before + 3))" || return
	! login capturepi capturepi --name porch status >"$T/said" && grep -q 'systemctl --user start capturepi@porch' "$T/said" &&
		login capturepi systemctl --user start capturepi@porch
}
invocations() {
	as capturepi systemctl --user show -P InvocationID capturepi.service capturepi@porch.service
}
upgrade_restarts_both() {
	local before after
	before=$(invocations)
	[ -d "$T/newer" ] || newer_packages || return
	mkdir -p "$home/newer" && cp "$T"/newer/{deploypi,capturepi}_*.deb "$home/newer/" &&
		on capturepi sh -c 'DEBIAN_FRONTEND=noninteractive apt-get install -qy --reinstall /home/pi/newer/*.deb' || return
	after=$(invocations)
	[ "$(grep -c . <<<"$after")" -eq 2 ] && ! grep -qFf <(grep . <<<"$before") <<<"$after" || { echo "$before: $after"; return 1; }
	wait_for 30 status_of '^service    running' && wait_for 30 status_of '^service    running' --name porch
}
same_archive_is_told() { # and the other goes on
	printf '[archive]\npath = /home/pi/captures\n' >>"$home/.config/capturepi/porch.conf"
	! login capturepi capturepi --name porch check 2>"$T/said" &&
		grep -q 'archive.path = /home/pi/captures: capturepi has /home/pi/captures, too' "$T/said" || { cat "$T/said"; return 1; }
	! login capturepi deploypi capture --name porch >"$T/said" 2>&1 && grep -q 'capturepi has /home/pi/captures, too' "$T/said" || return
	! login capturepi capturepi --name porch doctor >"$T/said" && grep -q '^fail  others ' "$T/said" || { cat "$T/said"; return 1; }
	porch_settings
	login capturepi capturepi --name porch check && login capturepi deploypi capture --name porch
}
# The commands of the pages.
renamed_there() {
	local page
	page=$("$src/tests/commands" "$src/capture/capturepi.1.scd" "To rename the first camera")
	[ "$(grep -c . <<<"$page")" -eq 4 ] && login capturepi "set -e; $page" && wait_for 30 status_of '^camera     front' --name front &&
		login pullpi "pullpi pair pi@garden.example:2222 --camera porch --remote-name front --identity login_key" &&
		login pullpi pullpi fetch --latest porch && grep -q '"camera":"front"' "$puller/pulled/porch/archive.json"
}
renamed_here() {
	local page before
	page=$("$src/tests/commands" "$src/pull/pullpi.1.scd" "# RENAMING" | sed 's/garden/porch/g; s/front/street/g')
	before=$(newest "$puller/pulled/porch")
	[ "$(grep -c . <<<"$page")" -eq 9 ] || { echo "$page"; return 1; }
	login pullpi "set -e; $page" && wait_for 60 newer "$puller/pulled/street" "$before" &&
		login pullpi pullpi verify street && login pullpi pullpi doctor street --connect && [ ! -e "$puller/pulled/porch" ] || return
	! find "$puller/.config/systemd" "$puller/.local/state/pullpi" -name '*porch*' | grep . && ! grep porch "$puller/.config/pullpi/pullpi.conf"
}
section_gone() { # doctor tells, deploypi switches off, the other goes on
	cp "$puller/.config/pullpi/pullpi.conf" "$T/pullpi.conf"
	sed -i '/^\[camera street\]/,$d' "$puller/.config/pullpi/pullpi.conf"
	login pullpi pullpi doctor >"$T/said"
	grep -q 'no section \[camera street\] any more, and still its units' "$T/said" || { cat "$T/said"; return 1; }
	login pullpi deploypi pull || return
	! find "$puller/.config/systemd" -name '*street*' | grep . && as pullpi systemctl --user is-enabled pullpi-sync@garden.timer
}
second_removed() {
	login capturepi systemctl --user enable --now capturepi-new@front.path capturepi-metrics@front.timer &&
		login capturepi deploypi remove --name front || return
	! as capturepi systemctl --user list-units --no-legend --plain 'capturepi*@front.*' | grep . && ! login capturepi systemctl --user is-active capturepi@front && status_of '^service    running' &&
		[ -e "$home/captures-front/latest.jpg" ] && ! find "$home/.config/systemd" -name '*front*' | grep .
}

part_second() {
	check "deploypi capture --name porch" deployed_second
	check "pullpi pair --remote-name porch" pair_second
	check "its pictures arrive by themselves" wait_for 60 newer "$puller/pulled/porch" 0
	check "each says which it is" both_say_who_they_are
	check "both doctors are content with it" login capturepi capturepi --name porch doctor
	check "one stops, the other and its status go on" stop_second
	check "two that want one archive are told" same_archive_is_told
	check "an upgrade restarts each" upgrade_restarts_both
	check "it gets another name there, as the page says" renamed_there
	check "it gets another name here, as the page says" renamed_here
	check "a section that went leaves nothing" section_gone
	check "deploypi remove --name takes it and not the first" second_removed
	check "the first has lost nothing by all that" catches_up 60
	check "no unit failed, no timer is dead" nothing_failed
}
