/* SPDX-License-Identifier: MIT */
/* Runs ffmpeg, and ffprobe afterwards. */
#include "view/film/encoder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/child.h"
#include "common/base/fs.h"
#include "common/base/json.h"
#include "common/base/text.h"
#include "common/base/util.h"

#define PIPE_BYTES (1024 * 1024) /* an unprivileged user's most */
#define PROBE_US (INT64_C(60) * 1000 * 1000)
#define LOG_BYTES 4096 /* of what ffmpeg says, the end */

void encoder_clear(struct encoder *encoder)
{
	fd_closep(&encoder->pipe);
	if (encoder->pid > 0) {
		kill(encoder->pid, SIGKILL);
		child_wait(encoder->pid);
	}
	fd_closep(&encoder->log);
	*encoder = (struct encoder)ENCODER_NONE;
}

int encoder_start(int width, int height, int fps, int out, struct encoder *ret)
{
	char size[32], rate[16], keys[16];
	const char *const argv[] = { "ffmpeg", "-nostdin", "-v", "error", "-f", "rawvideo",
		"-pix_fmt", "yuv420p", "-s", size, "-r", rate, "-i", "pipe:0", "-c:v", "libx264",
		"-preset", "veryfast", "-crf", "21", "-maxrate", "20M", "-bufsize", "25M",
		"-profile:v", "high", "-level", "4.0", "-threads", "2", "-bf", "0", "-rc-lookahead",
		"4", "-x264-params", "sliced-threads=1:sync-lookahead=0", "-g", keys, "-pix_fmt",
		"yuv420p", "-color_range", "tv", "-colorspace", "smpte170m", "-color_primaries",
		"smpte170m", "-color_trc", "smpte170m", "-movflags", "+faststart", "-f", "mp4",
		"-y", "/proc/self/fd/1", NULL };
	CLEANUP(encoder_clear) struct encoder encoder = ENCODER_NONE;
	CLEANUP_FD int in = -1;
	int ends[2], r;

	snprintf(size, sizeof(size), "%dx%d", width, height);
	snprintf(rate, sizeof(rate), "%d", fps);
	snprintf(keys, sizeof(keys), "%d", 2 * fps);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	in = ends[0];
	encoder.pipe = ends[1];
	fcntl(in, F_SETPIPE_SZ, PIPE_BYTES);
	encoder.log = memfd_create("ffmpeg", MFD_CLOEXEC);
	if (encoder.log < 0)
		return -errno;
	r = child_start(argv[0], argv, in, out, encoder.log, &encoder.pid);
	if (r < 0) {
		encoder.pid = 0;
		return r;
	}
	*ret = encoder;
	encoder = (struct encoder)ENCODER_NONE;
	return 0;
}

int encoder_write(struct encoder *encoder, const struct planes *planes)
{
	return fs_write_all(
		&fs_real, encoder->pipe, planes->data, planes_bytes(planes->width, planes->height));
}

/* The last line of what it said. */
static void encoder_read_log(const struct encoder *encoder, char why[static TEXT_MAX])
{
	char text[LOG_BYTES + 1];
	const off_t end = lseek(encoder->log, 0, SEEK_END);
	const ssize_t n =
		fs_read_at(encoder->log, text, LOG_BYTES, end > LOG_BYTES ? end - LOG_BYTES : 0);
	const char *line;

	text[n > 0 ? n : 0] = '\0';
	line = text_last_line(text);
	text_clean(line, strlen(line), why, TEXT_MAX);
}

int encoder_finish(struct encoder *encoder, char why[static TEXT_MAX])
{
	int code;

	fd_closep(&encoder->pipe);
	encoder->pipe = -1;
	code = child_wait(encoder->pid);
	encoder->pid = 0;
	/* one that succeeds may warn: its libraries do in a service */
	if (code == 0)
		return 0;
	encoder_read_log(encoder, why);
	if (!*why)
		snprintf(why, TEXT_MAX,
			code > 128 ? "signal %d ended it" : "its exit status was %d",
			code > 128 ? code - 128 : code);
	return code < 0 ? code : -EIO;
}

int encoder_probe(int fd, int width, int height, uint64_t frames, char why[static TEXT_MAX])
{
	char path[64], want[TEXT_MAX];
	const char *const argv[] = { "ffprobe", "-v", "error", "-select_streams", "v:0",
		"-show_entries", "stream=codec_name,profile,pix_fmt,level,width,height,nb_frames",
		"-of", "json", path, NULL };
	CLEANUP(child_result_clear) struct child_result result = { 0 };
	struct json_object *o;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	r = child_run(argv, PROBE_US, &result);
	if (r < 0)
		return r;
	o = json_tokener_parse(result.out);
	text_format(why, TEXT_MAX, "%s %s %s %lldx%lld, %s pictures",
		json_get_text(o, "/streams/0/codec_name"), json_get_text(o, "/streams/0/profile"),
		json_get_text(o, "/streams/0/pix_fmt"),
		(long long)json_get_number(o, "/streams/0/width"),
		(long long)json_get_number(o, "/streams/0/height"),
		json_get_text(o, "/streams/0/nb_frames"));
	snprintf(want, sizeof(want), "h264 High yuv420p %dx%d, %llu pictures", width, height,
		(unsigned long long)frames);
	r = result.code == 0 && strcmp(want, why) == 0 &&
			json_get_number(o, "/streams/0/level") <= 40
		? 0
		: -EBADMSG;
	json_object_put(o);
	return r;
}
