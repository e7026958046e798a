# SPDX-License-Identifier: MIT
# A machine without KVM, for what sources this (tests/power/run, tests/fsys/run): Debian's kernel (tests/power/machine)
# and an initramfs with busybox, tests/power/init and programs that were built here. $work is the caller's folder; its
# `console` is what the machine prints, $qemu its process, which ends with the caller (tests/contain).
qemu=

if [ "$(dpkg --print-architecture 2>/dev/null)" != amd64 ]; then
	echo "skip: the lab's machine runs this machine's programs, and knows Debian on amd64 only"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi

die() {
	echo "${0#"$src/"}: $*" >&2
	exit 1
}

# The initramfs's content in $work/root, with the programs and the libraries that they need.
make_root() { # PROGRAM...
	local library
	rm -rf "$work/root"
	cp -a "$machine/root" "$work/root"
	install -m 755 "$src/tests/power/init" "$work/root/init"
	install -m 755 -s "$@" "$work/root/bin/"
	for library in $(ldd "$@" | grep -o '/[^ ]* (' | cut -d' ' -f1 | sort -u); do
		mkdir -p "$work/root$(dirname "$library")"
		cp -L "$library" "$work/root$library"
	done
}
pack_root() {
	(cd "$work/root" && find . | cpio -o -H newc --quiet) >"$work/initrd"
	echo "kernel: $(cat "$machine/kernel"); $(qemu-system-x86_64 --version | head -n 1)"
}

start_machine() { # "KERNEL ARGUMENTS" QEMU-ARGUMENT...
	local arguments=$1
	shift
	qemu-system-x86_64 -accel tcg -cpu qemu64 -nodefaults -no-reboot -display none \
		-serial "file:$work/console" -kernel "$machine/vmlinux" -initrd "$work/initrd" \
		-append "console=ttyS0 quiet panic=-1 mitigations=off nokaslr  $arguments " -device virtio-serial \
		"$@" >"$work/qemu.log" 2>&1 </dev/null &
	qemu=$!
}
port() { # NAME: a file $work/NAME.port that the machine writes to
	rm -f "$work/$1.port"
	printf '%s\n' -chardev "file,id=$1,path=$work/$1.port" -device "virtserialport,chardev=$1,name=$1"
}
# Flushes go no further than QEMU: the host's power is not what is tested.
disk() { # FILE NUMBER
	printf '%s\n' -blockdev "driver=file,node-name=disk$2,filename=$1,cache.no-flush=on" \
		-device "virtio-blk-pci,drive=disk$2,serial=$2"
}
# Whether it came to that before the machine ended or the time was over.
wait_until() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] && kill -0 "$qemu" 2>/dev/null || return 1
		sleep 0.1
	done
}
console_has() { # TEXT
	grep -q "$1" "$work/console" 2>/dev/null
}
cut_power() {
	kill -KILL "$qemu" 2>/dev/null
	wait "$qemu" 2>/dev/null
	qemu=
}
