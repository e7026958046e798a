/* SPDX-License-Identifier: MIT */
/*
 * What our path from planes to JPEG costs against libjpeg-turbo's own: the same planes at the same
 * quality through TurboJPEG's tjCompressFromYUVPlanes(), turn by turn in the same run, and through
 * the tjbench program where it is installed ("Comp from YUV" of its -yuv mode). Prints ratios of
 * speed; 1.00 is as fast, more is faster. What is measured is processor time, and the best round of
 * each counts: it is the one that was disturbed least. Both do the same work: with the same DCT the
 * scans that they write are the same to the byte, which is checked. TurboJPEG has no YUYV: it gets
 * the same samples as planes of 4:2:2, and never a limited range, which it cannot expand.
 *
 * An MJPEG frame is compared with memcpy() of it.
 *
 *   encode [ROUNDS]       of 12 megapixels, five times as many of 1080p; default 20
 *
 * Exit 1 if a ratio to TurboJPEG is below 0.95, a thumbnail costs over 3 ms, a privacy mask over
 * 2 ms, what a picture is worth over 2.5 ms, or an MJPEG frame over 1 ms beyond the copy.
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <turbojpeg.h>

#include "capture/picture/jpeg.h"
#include "capture/picture/mask.h"
#include "capture/simcam/scene.h"
#include "capture/worth/worth.h"
#include "common/base/clock.h"

#define QUALITY 90
#define WANTED 0.95

struct bench {
	int width, height;
	size_t stride;
	uint8_t *planes; /* Y, then U, V and then UV */
	uint8_t *wide; /* YUYV, then U and V of 4:2:2 */
	struct frame yuv420, nv12, yuyv;
	struct jpeg_encoder *encoder;
	tjhandle turbo;
	unsigned char *turbo_jpeg;
	unsigned long turbo_bytes;
	size_t our_bytes;
	struct worth *worth;
	int64_t slot_us;
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The simulated camera's scene with the grain and detail that a photograph has. */
static void draw_picture(struct bench *b)
{
	struct canvas c = { .format = PIXEL_YUV420, .width = b->width, .height = b->height };
	const struct sensor_frame frame = {
		.exposure_us = 10000, .gain = 1, .light = 1, .level = 1
	};
	uint64_t seed = 88172645463325252u;

	for (int i = 0; i < 3; i++) {
		c.plane[i] = (uint8_t *)(uintptr_t)b->yuv420.plane[i];
		c.stride[i] = b->yuv420.stride[i];
	}
	scene_paint(&c, "test", INT64_C(1795190460412345), &frame);
	for (int y = 0; y < b->height; y++)
		for (int x = 0; x < b->width; x++) {
			uint8_t *p = c.plane[0] + (size_t)y * c.stride[0] + x;
			double leaves = 14 * sin(x * 0.21 + 3 * sin(y * 0.013)) * sin(y * 0.17);
			int v;

			seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
			v = *p + (int)(seed >> 61) - 4 + (y > b->height / 2 ? (int)leaves : 0);
			*p = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
		}
}

/* The same picture as YUYV, and its chroma as planes. */
static void make_yuyv(struct bench *b)
{
	size_t luma = b->stride * (size_t)b->height, half = b->stride / 2;

	b->wide = aligned_alloc(4096, (3 * luma + 4095) / 4096 * 4096);
	if (!b->wide)
		abort();
	b->yuyv = (struct frame){ .format = PIXEL_YUYV,
		.width = b->width,
		.height = b->height,
		.plane = { b->wide, b->wide + 2 * luma, b->wide + 2 * luma + luma / 2 },
		.stride = { 2 * b->stride },
		.plane_bytes = { 2 * luma } };
	for (size_t y = 0; y < (size_t)b->height; y++)
		for (size_t x = 0; x < half; x++) {
			uint8_t *p = b->wide + y * 2 * b->stride + 4 * x;

			p[0] = b->planes[y * b->stride + 2 * x];
			p[1] = b->yuv420.plane[1][y / 2 * half + x];
			p[2] = b->planes[y * b->stride + 2 * x + 1];
			p[3] = b->yuv420.plane[2][y / 2 * half + x];
			b->wide[2 * luma + y * half + x] = p[1];
			b->wide[2 * luma + luma / 2 + y * half + x] = p[3];
		}
}

static void set_up(struct bench *b, int width, int height)
{
	size_t luma, chroma;
	uint8_t *u, *v, *uv;

	memset(b, 0, sizeof(*b));
	b->width = width;
	b->height = height;
	b->stride = ((size_t)width + 63) / 64 * 64;
	luma = b->stride * (size_t)height;
	chroma = b->stride / 2 * (size_t)((height + 1) / 2);
	/* at a page, as a camera's are */
	b->planes = aligned_alloc(4096, (luma + 4 * chroma + 4095) / 4096 * 4096);
	b->turbo = tjInitCompress();
	b->turbo_bytes = tjBufSize(width, height, TJSAMP_422);
	b->turbo_jpeg = tjAlloc((int)b->turbo_bytes);
	if (!b->planes || !b->turbo || !b->turbo_jpeg ||
		jpeg_encoder_new(QUALITY, &b->encoder) < 0 || worth_new(&b->worth) < 0)
		abort();
	memset(b->planes, 128, luma + 4 * chroma);
	u = b->planes + luma, v = u + chroma, uv = v + chroma;
	b->yuv420 = (struct frame){ .format = PIXEL_YUV420,
		.width = width,
		.height = height,
		.plane = { b->planes, u, v },
		.stride = { b->stride, b->stride / 2, b->stride / 2 },
		.plane_bytes = { luma, chroma, chroma } };
	b->nv12 = (struct frame){ .format = PIXEL_NV12,
		.width = width,
		.height = height,
		.plane = { b->planes, uv, NULL },
		.stride = { b->stride, b->stride, 0 },
		.plane_bytes = { luma, 2 * chroma, 0 } };
	draw_picture(b);
	for (size_t i = 0; i < chroma; i++) {
		uv[2 * i] = u[i];
		uv[2 * i + 1] = v[i];
	}
	make_yuyv(b);
}

static void tear_down(struct bench *b)
{
	jpeg_encoder_free(b->encoder);
	worth_free(b->worth);
	tjFree(b->turbo_jpeg);
	tjDestroy(b->turbo);
	free(b->planes);
	free(b->wide);
}

static double time_ours(struct bench *b, const struct frame *frame)
{
	double start = seconds();
	const uint8_t *jpeg;

	if (jpeg_encode(b->encoder, frame, NULL, 0, &jpeg, &b->our_bytes) < 0)
		abort();
	return seconds() - start;
}

static double time_thumb(struct bench *b, const struct frame *frame)
{
	double start = seconds();
	const uint8_t *jpeg;
	size_t bytes;

	if (jpeg_encode_thumb(b->encoder, frame, &jpeg, &bytes) != 1)
		abort();
	return seconds() - start;
}

static double time_turbo(struct bench *b, int sampling, int flags)
{
	const struct frame *frame = &b->yuv420;
	const unsigned char *planes[3] = { frame->plane[0], frame->plane[1], frame->plane[2] };
	int strides[3] = { (int)b->stride, (int)b->stride / 2, (int)b->stride / 2 };
	double start = seconds();

	if (sampling == TJSAMP_422) {
		planes[1] = b->yuyv.plane[1];
		planes[2] = b->yuyv.plane[2];
	}
	b->turbo_bytes = tjBufSize(b->width, b->height, TJSAMP_422);
	if (tjCompressFromYUVPlanes(b->turbo, planes, b->width, strides, b->height, sampling,
		    &b->turbo_jpeg, &b->turbo_bytes, QUALITY, flags | TJFLAG_NOREALLOC) < 0)
		abort();
	return seconds() - start;
}

/* The picture as PPM, which is what tjbench reads. */
static bool write_ppm(const struct bench *b, const char *path)
{
	FILE *f = fopen(path, "we");
	bool ok;

	if (!f)
		return false;
	fprintf(f, "P6\n%d %d\n255\n", b->width, b->height);
	for (int y = 0; y < b->height; y++)
		for (int x = 0; x < b->width; x++) {
			size_t c = (size_t)(y / 2) * b->stride / 2 + (size_t)x / 2;
			int luma = b->planes[(size_t)y * b->stride + (size_t)x];
			int u = b->yuv420.plane[1][c] - 128, v = b->yuv420.plane[2][c] - 128;
			int rgb[3] = { luma + v * 1402 / 1000,
				luma - u * 344 / 1000 - v * 714 / 1000, luma + u * 1772 / 1000 };

			for (int i = 0; i < 3; i++)
				putc(rgb[i] < 0 ? 0 : rgb[i] > 255 ? 255 : rgb[i], f);
		}
	ok = !ferror(f);
	return fclose(f) == 0 && ok;
}

/* Seconds that the tjbench program needs for a frame; 0: it is not there or says something else. */
static double time_program(const struct bench *b, const char *flags)
{
	char folder[] = "/tmp/capturepi-bench-XXXXXX", ppm[64], command[256], line[512], *rate;
	double frames_s = 0;
	bool from_yuv = false;
	FILE *f;

	if (!mkdtemp(folder))
		return 0;
	snprintf(ppm, sizeof(ppm), "%s/picture.ppm", folder);
	snprintf(command, sizeof(command),
		"tjbench %s %d -subsamp 420 -yuv -nowrite -componly -benchtime 2 -warmup 0.5 %s "
		"2>&1",
		ppm, QUALITY, flags);
	f = write_ppm(b, ppm) ? popen(command, "re") : NULL;
	while (f && fgets(line, sizeof(line), f)) {
		from_yuv |= strstr(line, "Comp from YUV") != NULL;
		rate = strstr(line, "Frame rate:");
		if (from_yuv && frames_s == 0 && rate)
			frames_s = strtod(rate + strlen("Frame rate:"), NULL);
	}
	if (f)
		pclose(f);
	unlink(ppm);
	rmdir(folder);
	return frames_s > 0 ? 1 / frames_s : 0;
}

/* What a picture is worth, from its small copy, against what was learned of it. */
static double time_worth(struct bench *b, const struct frame *frame)
{
	const uint8_t *jpeg;
	size_t bytes;
	double before;
	struct sight sight;

	b->planes[0]++; /* the same picture again would be `frozen` */
	if (jpeg_encode_thumb(b->encoder, frame, &jpeg, &bytes) != 1)
		abort();
	before = seconds();
	if (sight_measure(frame, jpeg_small_frame(b->encoder), &sight) < 0)
		abort();
	b->slot_us += 600 * US_PER_SEC;
	worth_judge(b->worth, &sight, b->slot_us);
	return seconds() - before;
}

/* From the start of the scan to the end. */
static const uint8_t *find_scan(const uint8_t *jpeg, size_t bytes, size_t *ret_bytes)
{
	for (size_t at = 2; at + 4 < bytes; at += 2 + (size_t)(jpeg[at + 2] << 8 | jpeg[at + 3]))
		if (jpeg[at + 1] == 0xda) {
			*ret_bytes = bytes - at;
			return jpeg + at;
		}
	abort();
}

/* Whether TurboJPEG, with the DCT that we have, writes what we do. */
static bool is_same_work(struct bench *b, const struct frame *frame, int sampling)
{
	const uint8_t *jpeg, *ours, *theirs;
	size_t bytes, ours_bytes, theirs_bytes;
	bool same;

	time_turbo(b, sampling, TJFLAG_ACCURATEDCT);
	if (jpeg_encode(b->encoder, frame, NULL, 0, &jpeg, &bytes) < 0)
		abort();
	ours = find_scan(jpeg, bytes, &ours_bytes);
	theirs = find_scan(b->turbo_jpeg, b->turbo_bytes, &theirs_bytes);
	same = ours_bytes == theirs_bytes && memcmp(ours, theirs, ours_bytes) == 0;
	printf("  the same scan            %8zu bytes %s\n", ours_bytes, same ? "yes" : "NO");
	return same;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

/* What a mask over half of the picture costs, blocks and hash included. It stays on it. */
static double time_mask(const struct bench *b, int rounds)
{
	static const struct mask_setting setting = { .n = 1, .polygon[0].points = "0,0 1,0 1,1" };
	char hash[MASK_HASH_CHARS + 1];
	struct frame frame = b->nv12;
	struct mask mask = { 0 };
	double best = DBL_MAX;

	for (int i = 0; i < rounds; i++) {
		double start = seconds();

		if (mask_lay(&mask, &setting, &frame) < 0)
			abort();
		mask_hash(&setting, hash);
		best = least(best, seconds() - start);
	}
	mask_clear(&mask);
	return best;
}

/*
 * The same of a covered lens: of what was learned nothing is found, wherever it is looked for.
 * Within the hour after the last one that was learned, as there is nothing to look for later.
 */
static double time_covered(struct bench *b)
{
	double best = DBL_MAX;

	for (size_t i = 0; i < b->stride * (size_t)b->height; i++)
		b->planes[i] = (uint8_t)(90 + (i * 2654435761U >> 24) % 6);
	for (int i = 0; i < 5; i++)
		best = least(best, time_worth(b, &b->yuv420));
	return best;
}

static bool compare(int width, int height, int rounds)
{
	double ours = DBL_MAX, nv12 = DBL_MAX, fast = DBL_MAX, accurate = DBL_MAX;
	double thumb = DBL_MAX, thumb2 = DBL_MAX, worth = DBL_MAX, mask, covered, program, program2;
	struct bench b;
	bool same;

	set_up(&b, width, height);
	for (int i = 0; i < rounds; i++) {
		ours = least(ours, time_ours(&b, &b.yuv420));
		fast = least(fast, time_turbo(&b, TJSAMP_420, 0));
		nv12 = least(nv12, time_ours(&b, &b.nv12));
		accurate = least(accurate, time_turbo(&b, TJSAMP_420, TJFLAG_ACCURATEDCT));
		thumb = least(thumb, time_thumb(&b, &b.yuv420));
		thumb2 = least(thumb2, time_thumb(&b, &b.nv12));
		worth = least(worth, time_worth(&b, &b.yuv420));
	}
	printf("%dx%d, quality %d, best of %d: YUV420 %.2f ms, NV12 %.2f ms, %zu bytes\n", width,
		height, QUALITY, rounds, ours * 1e3, nv12 * 1e3, b.our_bytes);
	printf("  TurboJPEG, same DCT      %8.2f ms   ratio %.3f (NV12 %.3f)\n", accurate * 1e3,
		accurate / ours, accurate / nv12);
	printf("  TurboJPEG, its fast DCT  %8.2f ms   ratio %.3f (NV12 %.3f)\n", fast * 1e3,
		fast / ours, fast / nv12);
	same = is_same_work(&b, &b.yuv420, TJSAMP_420);
	printf("  its thumbnail            %8.2f ms   of the encoding %.3f (NV12 %.2f ms)\n",
		thumb * 1e3, thumb / ours, thumb2 * 1e3);
	printf("  what it is worth         %8.2f ms   of the encoding %.3f\n", worth * 1e3,
		worth / ours);
	program = time_program(&b, "-accuratedct");
	program2 = time_program(&b, "");
	if (program > 0 && program2 > 0)
		printf("  tjbench, same DCT        %8.2f ms   ratio %.3f\n"
		       "  tjbench, its fast DCT    %8.2f ms   ratio %.3f\n",
			program * 1e3, program / ours, program2 * 1e3, program2 / ours);
	else
		printf("  tjbench is not installed (Debian: libjpeg-turbo-progs)\n");
	mask = time_mask(&b, rounds);
	printf("  a mask on half of it     %8.2f ms   of the encoding %.3f\n", mask * 1e3,
		mask / nv12);
	covered = time_covered(&b);
	printf("  worth of a covered one   %8.2f ms   of the encoding %.3f\n", covered * 1e3,
		covered / ours);
	tear_down(&b);
	return same && accurate / ours >= WANTED && fast / ours >= WANTED && thumb <= 3e-3 &&
		thumb2 <= 3e-3 && mask <= 2e-3 && worth <= 2.5e-3 && covered <= 2.5e-3;
}

/* YUYV against TurboJPEG's 4:2:2; a limited-range frame costs a look into a table per sample. */
static bool compare_yuyv(int width, int height, int rounds)
{
	double ours = DBL_MAX, limited = DBL_MAX, fast = DBL_MAX, accurate = DBL_MAX;
	struct frame dull;
	struct bench b;
	bool same;

	set_up(&b, width, height);
	dull = b.yuyv;
	dull.range = PIXEL_LIMITED_RANGE;
	for (int i = 0; i < rounds; i++) {
		ours = least(ours, time_ours(&b, &b.yuyv));
		fast = least(fast, time_turbo(&b, TJSAMP_422, 0));
		limited = least(limited, time_ours(&b, &dull));
		accurate = least(accurate, time_turbo(&b, TJSAMP_422, TJFLAG_ACCURATEDCT));
	}
	printf("%dx%d, quality %d, best of %d: YUYV %.2f ms, of limited range %.2f ms\n", width,
		height, QUALITY, rounds, ours * 1e3, limited * 1e3);
	printf("  TurboJPEG, same DCT      %8.2f ms   ratio %.3f (limited %.3f)\n", accurate * 1e3,
		accurate / ours, accurate / limited);
	printf("  TurboJPEG, its fast DCT  %8.2f ms   ratio %.3f (limited %.3f)\n", fast * 1e3,
		fast / ours, fast / limited);
	same = is_same_work(&b, &b.yuyv, TJSAMP_422);
	tear_down(&b);
	/* not of limited range, which is more work than TurboJPEG's */
	return same && accurate / ours >= WANTED && fast / ours >= WANTED;
}

/* An MJPEG frame as a webcam makes it (4:2:2 of that quality) against memcpy(). */
static bool compare_mjpeg(int width, int height, int rounds)
{
	static const uint8_t exif[1000] = "Exif\0";
	double ours = DBL_MAX, copied = DBL_MAX;
	struct frame frame = { .format = PIXEL_MJPEG, .width = width, .height = height };
	const uint8_t *jpeg;
	struct bench b;
	uint8_t *copy;

	set_up(&b, width, height);
	time_turbo(&b, TJSAMP_422, 0);
	frame.plane[0] = b.turbo_jpeg;
	frame.plane_bytes[0] = b.turbo_bytes;
	copy = malloc(b.turbo_bytes);
	if (!copy)
		abort();
	for (int i = 0; i < 10 * rounds; i++) {
		double start = seconds();

		memcpy(copy, b.turbo_jpeg, b.turbo_bytes);
		__asm__ volatile("" : : "r"(copy) : "memory");
		copied = least(copied, seconds() - start);
		start = seconds();
		if (jpeg_encode(b.encoder, &frame, exif, sizeof exif, &jpeg, &b.our_bytes) < 0)
			abort();
		ours = least(ours, seconds() - start);
	}
	printf("%dx%d, MJPEG of %lu bytes, best of %d: %.3f ms; memcpy %.3f ms, ratio %.2f\n",
		width, height, b.turbo_bytes, 10 * rounds, ours * 1e3, copied * 1e3, ours / copied);
	free(copy);
	tear_down(&b);
	return ours - copied <= 1e-3;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 20;
	bool ok = compare(1920, 1080, 5 * rounds);

	ok &= compare(4056, 3040, rounds);
	ok &= compare_yuyv(1280, 720, 5 * rounds);
	ok &= compare_yuyv(1920, 1080, 5 * rounds);
	ok &= compare_mjpeg(1280, 720, 5 * rounds);
	ok &= compare_mjpeg(1920, 1080, 5 * rounds);
	ok &= compare_mjpeg(3840, 2160, rounds);
	return ok ? 0 : 1;
}
