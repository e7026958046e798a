/* SPDX-License-Identifier: MIT */
/*
 * What our path from planes to JPEG costs against libjpeg-turbo's own: the same planes at the same
 * quality through TurboJPEG's tjCompressFromYUVPlanes(), turn by turn in the same run, and through
 * the tjbench program where it is installed ("Comp from YUV" of its -yuv mode). Prints ratios of
 * speed; 1.00 is as fast, more is faster. The best round of each counts: it is the one that was
 * disturbed least.
 *
 *   encode [ROUNDS]       of 12 megapixels, five times as many of 1080p; default 20
 *
 * Exit 1 if a ratio to TurboJPEG is below 0.95.
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
#include "capture/simcam/scene.h"

#define QUALITY 90
#define WANTED 0.95

struct bench {
	int width, height;
	size_t stride;
	uint8_t *planes; /* Y, then U, V and then UV */
	struct frame yuv420, nv12;
	struct jpeg_encoder *encoder;
	tjhandle turbo;
	unsigned char *turbo_jpeg;
	unsigned long turbo_bytes;
	size_t our_bytes;
};

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
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
	b->turbo_bytes = tjBufSize(width, height, TJSAMP_420);
	b->turbo_jpeg = tjAlloc((int)b->turbo_bytes);
	if (!b->planes || !b->turbo || !b->turbo_jpeg || jpeg_encoder_new(QUALITY, &b->encoder) < 0)
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
}

static void tear_down(struct bench *b)
{
	jpeg_encoder_free(b->encoder);
	tjFree(b->turbo_jpeg);
	tjDestroy(b->turbo);
	free(b->planes);
}

static double time_ours(struct bench *b, const struct frame *frame)
{
	double start = seconds();
	const uint8_t *jpeg;

	if (jpeg_encode(b->encoder, frame, NULL, 0, &jpeg, &b->our_bytes) < 0)
		abort();
	return seconds() - start;
}

static double time_turbo(struct bench *b, int flags)
{
	const unsigned char *planes[3];
	int strides[3];
	double start = seconds();

	for (int i = 0; i < 3; i++) {
		planes[i] = b->yuv420.plane[i];
		strides[i] = (int)b->yuv420.stride[i];
	}
	b->turbo_bytes = tjBufSize(b->width, b->height, TJSAMP_420);
	if (tjCompressFromYUVPlanes(b->turbo, planes, b->width, strides, b->height, TJSAMP_420,
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

static double least(double a, double b)
{
	return a < b ? a : b;
}

static bool compare(int width, int height, int rounds)
{
	double ours = DBL_MAX, nv12 = DBL_MAX, fast = DBL_MAX, accurate = DBL_MAX, program,
	       program2;
	struct bench b;

	set_up(&b, width, height);
	for (int i = 0; i < rounds; i++) {
		ours = least(ours, time_ours(&b, &b.yuv420));
		fast = least(fast, time_turbo(&b, 0));
		nv12 = least(nv12, time_ours(&b, &b.nv12));
		accurate = least(accurate, time_turbo(&b, TJFLAG_ACCURATEDCT));
	}
	printf("%dx%d, quality %d, best of %d: YUV420 %.2f ms, NV12 %.2f ms, %zu bytes\n", width,
		height, QUALITY, rounds, ours * 1e3, nv12 * 1e3, b.our_bytes);
	printf("  TurboJPEG, same DCT      %8.2f ms   ratio %.3f (NV12 %.3f)\n", accurate * 1e3,
		accurate / ours, accurate / nv12);
	printf("  TurboJPEG, its fast DCT  %8.2f ms   ratio %.3f (NV12 %.3f)\n", fast * 1e3,
		fast / ours, fast / nv12);
	program = time_program(&b, "-accuratedct");
	program2 = time_program(&b, "");
	if (program > 0 && program2 > 0)
		printf("  tjbench, same DCT        %8.2f ms   ratio %.3f\n"
		       "  tjbench, its fast DCT    %8.2f ms   ratio %.3f\n",
			program * 1e3, program / ours, program2 * 1e3, program2 / ours);
	else
		printf("  tjbench is not installed (Debian: libjpeg-turbo-progs)\n");
	tear_down(&b);
	return accurate / ours >= WANTED && fast / ours >= WANTED;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 20;
	bool ok = compare(1920, 1080, 5 * rounds);

	ok &= compare(4056, 3040, rounds);
	return ok ? 0 : 1;
}
