# SPDX-License-Identifier: MIT
# For the tests of this folder, which source it: two machines in one folder, each with its own HOME, a
# private sshd between them, checks that count. The sshd listens on loopback; a test that has a link
# of its own (tests/link/kit.bash) says where each machine is: $host is the camera's address, at_camera
# and at_puller are what a command there begins with.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "${1:?BUILD folder}" && pwd) || exit 1
part=${2:-}
pullpi=$build/pull/pullpi capturepi=$build/capture/capturepi
T=$(mktemp -d) || exit 1
cam=$T/cam pull=$T/pull
passed=0 failed=0 sshd_pid='' listener_pid=''
host=127.0.0.1 at_camera=() at_puller=()
me=$(id -un)
sshd=$(command -v sshd || echo /usr/sbin/sshd)

check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED $group: $name"
		sed 's/^/    | /' "$T/out" "$T/err" 2>/dev/null | tail -n 8
	fi
}

# ---- the two machines

free_port() {
	perl -MIO::Socket::INET -e \
		'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport'
}

start_sshd() { # HOSTKEY [LINE]
	cat >"$T/sshd_config" <<-END
		Port $port
		ListenAddress $host
		HostKey $1
		PidFile none
		AuthorizedKeysFile $cam/.ssh/authorized_keys
		StrictModes no
		UsePAM no
		PermitRootLogin yes
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		MaxStartups 100
		SetEnv HOME=$cam
		LogLevel VERBOSE
		${2:-}
	END
	# where sshd has penalties (9.8 on), the tests' bad logins must not lock the good ones out
	if (cat "$T/sshd_config"; echo 'PerSourcePenalties no') >"$T/sshd_config.new" &&
		"$sshd" -t -f "$T/sshd_config.new" 2>/dev/null; then
		mv "$T/sshd_config.new" "$T/sshd_config"
	fi
	[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
	"${at_camera[@]}" "$sshd" -D -e -f "$T/sshd_config" 2>>"$T/sshd.log" &
	sshd_pid=$!
	for _ in $(seq 100); do
		"${at_puller[@]}" bash -c "exec 3<>/dev/tcp/$host/$port" 2>/dev/null && return
		sleep 0.05
	done
	echo "sshd does not start:" && tail -n 5 "$T/sshd.log"
	exit 1
}

stop_sshd() {
	[ -z "$sshd_pid" ] || { kill "$sshd_pid" && wait "$sshd_pid"; } 2>/dev/null
	sshd_pid=''
}

start_listener() { # PROGRAM ARGUMENT...; sets listener_port
	local program=$1
	shift
	exec 4< <(exec "$here/$program" "$@")
	listener_pid=$!
	read -r listener_port <&4
}

stop_listener() {
	[ -z "$listener_pid" ] || kill "$listener_pid" 2>/dev/null
	listener_pid=''
	exec 4<&-
}

shot() {
	"$capturepi" -c "$cam/capturepi.conf" shot >/dev/null
}

# pullpi with its own HOME; out, err and code are kept. No terminal.
code=0
P() {
	env -i PATH="$PATH" HOME="$pull" TZ=UTC ${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} \
		"${at_puller[@]}" "$pullpi" "$@" >"$T/out" 2>"$T/err" </dev/null
	code=$?
}
fetch() {
	P fetch --latest "$@"
}
ends() { # CODE
	[ "$code" -eq "$1" ] || { echo "    exit code $code, not $1"; false; }
}
says() { # TEXT in out or err
	grep -qF -- "$1" "$T/out" "$T/err"
}
says_on_err() {
	grep -qF -- "$1" "$T/err"
}
silent_of() {
	! says "$1"
}
one_line_on_err() {
	[ "$(wc -l <"$T/err")" -eq 1 ]
}
tame() { # lines of printable text: no control, bidi or hidden character, nothing that is not UTF-8
	perl -CI -Mwarnings=FATAL,utf8 -ne 'chomp; /[\p{Cc}\p{Cf}\p{Cn}\x{2028}\x{2029}]/ and exit 1' "$T/out" "$T/err"
}
quiet() {
	[ ! -s "$T/err" ]
}

pair() {
	P pair "$me@$host:$port" --camera garden --identity "$T/admin" --yes \
		--serve "$capturepi -c $cam/capturepi.conf serve"
}

# Both machines from nothing, paired, one frame on the camera.
fresh() {
	rm -rf "$cam" "$pull" "$T/outside"
	mkdir -p "$cam/.ssh" "$pull" "$T/outside"
	cp "$T/admin.pub" "$cam/.ssh/authorized_keys"
	printf '[archive]\npath = %s\ncamera = garden\n[test]\nlight = noon\n[camera]\nsource = test\nwidth = 640\nheight = 480\n' \
		"$cam/captures" >"$cam/capturepi.conf"
	archive=$pull/pulled/garden
	state=$pull/.local/state/pullpi
	conf=$pull/.config/pullpi/pullpi.conf
	shot
	if [ "${1:-}" != unpaired ]; then
		pair
		[ "$code" -eq 0 ] || { echo "cannot pair:" && cat "$T/err"; exit 1; }
	fi
}

frames() { # N pictures are in the puller's archive, and no temp
	[ "$(find "$archive" -name '2*.jpg' 2>/dev/null | wc -l)" -eq "$1" ] &&
		[ -z "$(find "$archive" -name '*.part' 2>/dev/null)" ]
}
hashes() { # of all pictures, as the journal has them and as the files are
	(cd "$1" && cat journal/*.jsonl | sed -nE 's/.*"file":"([^"]*)".*"sha256":"([0-9a-f]*)".*/\2 \1/p' |
		while read -r sha name; do
			[ "$(find . -name "$name" -exec sha256sum {} + | cut -c 1-64)" = "$sha" ] &&
				echo "$name $sha"
		done | sort)
}
picture() { # everything about the puller's archive that may not change; what came of a frame is hidden
	(cd "$archive" 2>/dev/null && find . ! -name .writer ! -name '.*.rest' -printf '%p %l ' -type f -exec sha256sum {} \; -o ! -name .writer ! -name '.*.rest' -print | sort)
}
within() { # SECONDS since $start
	[ $((SECONDS - start)) -le "$1" ]
}

serve_with() { # the forced command of pullpi's key
	sed -i "s|command=\"[^\"]*\"|command=\"$1\"|" "$cam/.ssh/authorized_keys"
}

# Runs all groups, or those whose name contains $part, and counts.
run_groups() {
	if [ ! -x "$pullpi" ] || [ ! -x "$capturepi" ]; then
		echo "$build: pullpi and capturepi are not built there"
		exit 1
	fi
	ssh-keygen -q -t ed25519 -N '' -f "$T/host"
	ssh-keygen -q -t ed25519 -N '' -f "$T/host2"
	ssh-keygen -q -t ed25519 -N '' -f "$T/admin"
	fingerprint=$(ssh-keygen -lf "$T/host.pub" | cut -d' ' -f2)
	port=$(free_port)
	start_sshd "$T/host"
	for group in $(declare -F | sed -n 's/^declare -f group_//p'); do
		case $group in *"$part"*) "group_$group" ;; esac
	done
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}
