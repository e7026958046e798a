/* SPDX-License-Identifier: MIT */
/*
 * What tests/bench/view/run needs besides the programs:
 *
 *   picture WIDTH HEIGHT THUMB FILE     a JPEG with grain; THUMB 1: a thumbnail in its EXIF
 *   make PATH FRAMES SECONDS FILE       an archive, a frame each so many seconds up to last
 *                                       midnight (UTC); the last day's files are links to FILE
 *   load PORT PATH CLIENTS SECONDS      requests a second on connections that stay; megabytes
 *   first PORT PATH ROUNDS              milliseconds to the first byte, the middle one; bytes
 *   thumbs PATH N FILE                  small pictures a second, and of a bare loop over FILE
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

/* libjpeg's header wants these before it */
#include <stdio.h>
#include <sys/types.h>

#include <jpeglib.h>

#include "capture/picture/exif.h"
#include "capture/picture/jpeg.h"
#include "common/archive/archive.h"
#include "common/base/utc.h"
#include "view/thumb/thumb.h"

#define ID "0b5c6a3e-7f60-4c1d-9a55-1f1f6f3b9f10"
#define DAY_US (INT64_C(86400) * US_PER_SEC)
#define LINKS_MAX 10000 /* of one file */
#define CLIENTS_MAX 64
#define ROUNDS_MAX 1000

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition,         \
				strerror(errno));                                                  \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static double seconds(void)
{
	return (double)clock_mono_ns(&clock_real) / 1e9;
}

/* ---- pictures and archives */

static void make_picture(int width, int height, bool has_thumb, const char *path)
{
	const size_t luma = (size_t)width * (size_t)height;
	struct exif_facts facts = { .time_us = INT64_C(1795190460) * US_PER_SEC,
		.gain = NAN,
		.latitude = NAN,
		.longitude = NAN,
		.width = width,
		.height = height };
	struct frame frame = { .format = PIXEL_YUV420, .width = width, .height = height };
	uint8_t *planes = malloc(luma / 2 * 3), *exif;
	struct jpeg_encoder *encoder;
	uint64_t seed = 88172645463325252u;
	const uint8_t *jpeg;
	size_t bytes, exif_bytes;
	FILE *file = fopen(path, "w");

	MUST(planes && file && jpeg_encoder_new(88, &encoder) == 0);
	for (size_t i = 0; i < luma / 2 * 3; i++) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		planes[i] = (uint8_t)(i < luma
				? 60 + i % (size_t)width * 120 / (size_t)width + (seed >> 60)
				: 120 + (seed >> 62));
	}
	for (int i = 0; i < 3; i++) {
		frame.plane[i] = planes + (i ? luma + luma / 4 * (size_t)(i - 1) : 0);
		frame.stride[i] = (size_t)(i ? width / 2 : width);
		frame.plane_bytes[i] = i ? luma / 4 : luma;
	}
	if (has_thumb)
		MUST(jpeg_encode_thumb(encoder, &frame, &facts.thumb, &facts.thumb_bytes) == 1);
	MUST(exif_build(&facts, &exif, &exif_bytes) == 0);
	MUST(jpeg_encode(encoder, &frame, exif, exif_bytes, &jpeg, &bytes) == 0);
	MUST(fwrite(jpeg, 1, bytes, file) == bytes && fclose(file) == 0);
	jpeg_encoder_free(encoder);
	free(exif);
	free(planes);
}

static int sync_nothing(int fd)
{
	(void)fd;
	return 0;
}

static void put_file(int root, const struct record *frame, const char *source, char *link)
{
	static char folder[FRAME_PATH_MAX]; /* the open one */
	static int to = -1;
	const struct frame_name name = record_name(frame);
	char file[FRAME_NAME_MAX], day[FRAME_PATH_MAX];
	struct fs_ops fs = fs_real;
	int fd;

	fs.fsync = sync_nothing;
	MUST(frame_name_folder(&name, day) == 0 && frame_name_format(&name, file) == 0);
	if (strcmp(day, folder) != 0) {
		MUST(fs_open_folder(&fs, root, day, true, &to) == 0);
		strcpy(folder, day);
	}
	if (frame->seq % LINKS_MAX == 0 || !*link) { /* a file has so many names at most */
		fd = open(source, O_RDONLY | O_CLOEXEC);
		MUST(fd >= 0 && fs_replace_copy(&fs, fd, to, file, 0644) == 0);
		close(fd);
		MUST(frame_name_path(&name, link) == 0);
	} else {
		MUST(linkat(root, link, to, file, 0) == 0);
	}
}

/* As record_format() writes it, which would take a minute for a million. */
static void put_line(FILE *segment, const struct record *frame)
{
	const struct frame_name name = record_name(frame);
	char slot[UTC_TEXT_MAX], exposed[UTC_TEXT_MAX], file[FRAME_NAME_MAX];

	MUST(frame_name_format(&name, file) == 0);
	MUST(fprintf(segment,
		     "{\"seq\":%" PRIu64 ",\"slot\":\"%s\",\"exposed\":\"%s\",\"file\":\"%s\","
		     "\"bytes\":%" PRId64 ",\"sha256\":\"%064d\",\"boot\":\"" ID
		     "\",\"up_ns\":%" PRId64 ",\"synced\":true,\"late_us\":412}\n",
		     frame->seq, utc_format(frame->slot_us, slot),
		     utc_format(frame->exposed_us, exposed), file, frame->bytes, 0,
		     frame->up_ns) > 0);
}

static void make_archive(const char *path, uint64_t frames, int64_t step_us, const char *source)
{
	const struct archive_options options = {
		.mode = ARCHIVE_WRITE, .id = ID, .camera = "bench"
	};
	const int64_t now_us = clock_wall_us(&clock_real), end_us = now_us - now_us % DAY_US;
	struct archive *archive = NULL;
	char link[FRAME_PATH_MAX] = "", name[300];
	struct stat st;
	FILE *segment = NULL;
	int root;

	MUST(archive_open(path, &options, &archive) == 0 && stat(source, &st) == 0);
	archive_free(archive);
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(root >= 0);
	for (uint64_t seq = 1; seq <= frames; seq++) {
		struct record frame = record_new(RECORD_FRAME);

		frame.seq = seq;
		frame.slot_us = end_us - (int64_t)(frames - seq + 1) * step_us;
		frame.exposed_us = frame.slot_us + 412;
		frame.late_us = 412;
		frame.up_ns = (int64_t)seq;
		frame.synced = true;
		frame.bytes = st.st_size;
		memcpy(frame.boot, ID, sizeof(frame.boot));
		if (seq % SEGMENT_LINES == 0 && segment)
			MUST(fclose(TAKE_PTR(segment)) == 0);
		if (!segment) {
			snprintf(name, sizeof(name), "%s/journal/%08" PRIu64 ".jsonl", path,
				seq / SEGMENT_LINES);
			segment = fopen(name, "w");
			MUST(segment);
			fprintf(segment,
				"{\"format\":1,\"id\":\"" ID "\",\"segment\":%" PRIu64 "}\n",
				seq / SEGMENT_LINES);
		}
		put_line(segment, &frame);
		if (frame.slot_us >= end_us - DAY_US)
			put_file(root, &frame, source, link);
	}
	MUST(fclose(segment) == 0);
	close(root);
}

/* ---- a client */

struct client {
	pthread_t thread;
	int port;
	const char *path;
	double until;
	uint64_t requests, bytes;
};

static int client_connect(int port)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* One request; the time of the first byte. Returns the bytes of its body. */
static uint64_t client_ask(int fd, const char *path, double *ret_first)
{
	static __thread char block[256 * 1024];
	char request[600], *end, *length;
	size_t got = 0, head;
	uint64_t body, left;
	ssize_t n = 0;

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
	MUST(write(fd, request, strlen(request)) == (ssize_t)strlen(request));
	do {
		n = read(fd, block + got, sizeof(block) - 1 - got);
		MUST(n > 0);
		if (got == 0)
			*ret_first = seconds();
		got += (size_t)n;
		block[got] = '\0';
	} while (!(end = strstr(block, "\r\n\r\n")));
	length = strcasestr(block, "\r\nContent-Length:");
	MUST(strncmp(block, "HTTP/1.1 200", 12) == 0 && length && length < end);
	head = (size_t)(end - block) + 4;
	body = strtoull(length + 17, NULL, 10);
	for (left = body - (got - head); left > 0; left -= (uint64_t)n) {
		n = read(fd, block, left < sizeof(block) ? left : sizeof(block));
		MUST(n > 0);
	}
	return body;
}

static void *client_run(void *data)
{
	struct client *client = data;
	int fd = client_connect(client->port);
	double first;

	while (seconds() < client->until) {
		client->bytes += client_ask(fd, client->path, &first);
		client->requests++;
	}
	close(fd);
	return NULL;
}

static void load(int port, const char *path, int n, double length)
{
	struct client clients[CLIENTS_MAX];
	uint64_t requests = 0, bytes = 0;
	const double begun = seconds();

	MUST(n > 0 && n <= CLIENTS_MAX);
	for (int i = 0; i < n; i++) {
		clients[i] = (struct client){ .port = port, .path = path, .until = begun + length };
		MUST(pthread_create(&clients[i].thread, NULL, client_run, &clients[i]) == 0);
	}
	for (int i = 0; i < n; i++) {
		pthread_join(clients[i].thread, NULL);
		requests += clients[i].requests;
		bytes += clients[i].bytes;
	}
	printf("%.0f %.0f\n", (double)requests / (seconds() - begun),
		(double)bytes / (seconds() - begun) / 1e6);
}

static int compare_doubles(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure_first(int port, const char *path, int rounds)
{
	double times[ROUNDS_MAX];
	uint64_t bytes = 0;

	MUST(rounds > 0 && rounds <= ROUNDS_MAX);
	for (int i = 0; i < rounds; i++) {
		const double begun = seconds();
		int fd = client_connect(port);

		bytes = client_ask(fd, path, &times[i]);
		times[i] = (times[i] - begun) * 1000;
		close(fd);
	}
	qsort(times, (size_t)rounds, sizeof(*times), compare_doubles);
	printf("%.1f %" PRIu64 "\n", times[rounds / 2], bytes);
}

/* ---- thumbnails */

/* What libjpeg takes for the same work: the file in memory, the same scale and settings. */
static void decode_bare(const uint8_t *jpeg, size_t bytes)
{
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr errors;
	uint8_t *row;

	c.err = jpeg_std_error(&errors);
	jpeg_create_decompress(&c);
	jpeg_mem_src(&c, jpeg, bytes);
	jpeg_read_header(&c, TRUE);
	c.out_color_space = JCS_YCbCr;
	c.scale_num = 1;
	c.scale_denom = 8;
	c.dct_method = JDCT_IFAST;
	c.do_fancy_upsampling = FALSE;
	jpeg_start_decompress(&c);
	row = malloc((size_t)c.output_width * 3);
	while (c.output_scanline < c.output_height)
		jpeg_read_scanlines(&c, &row, 1);
	free(row);
	jpeg_finish_decompress(&c);
	jpeg_destroy_decompress(&c);
}

/* The last 1,000 frames as a sheet reads them, `n` in all; then a bare loop over the file. */
static void measure_thumbs(const char *path, uint64_t n, const char *file)
{
	const struct archive_options options = { .mode = ARCHIVE_READ };
	struct archive *archive = NULL;
	struct record newest;
	uint8_t *jpeg;
	size_t bytes;
	double begun = seconds(), ours, bare;

	MUST(archive_open(path, &options, &archive) == 0);
	MUST(archive_newest(archive, &newest) == 0);
	for (uint64_t i = 0; i < n; i++) {
		struct pixels pixels = { 0 };

		MUST(thumb_decode(archive, newest.seq - i % 1000, 120, &pixels) == 0);
		pixels_clear(&pixels);
	}
	ours = (double)n / (seconds() - begun);
	archive_free(archive);
	MUST(fs_read_file(AT_FDCWD, file, FRAME_BYTES_MAX, (char **)&jpeg, &bytes) == 0);
	begun = seconds();
	for (int i = 0; i < 200; i++)
		decode_bare(jpeg, bytes);
	bare = 200 / (seconds() - begun);
	free(jpeg);
	printf("%.0f %.0f %.2f\n", ours, bare, ours / bare);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 6 && strcmp(what, "picture") == 0)
		make_picture(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), argv[5]);
	else if (argc == 6 && strcmp(what, "make") == 0)
		make_archive(
			argv[2], strtoull(argv[3], NULL, 10), atoll(argv[4]) * US_PER_SEC, argv[5]);
	else if (argc == 6 && strcmp(what, "load") == 0)
		load(atoi(argv[2]), argv[3], atoi(argv[4]), atof(argv[5]));
	else if (argc == 5 && strcmp(what, "first") == 0)
		measure_first(atoi(argv[2]), argv[3], atoi(argv[4]));
	else if (argc == 5 && strcmp(what, "thumbs") == 0)
		measure_thumbs(argv[2], strtoull(argv[3], NULL, 10), argv[4]);
	else
		return 2;
	return 0;
}
