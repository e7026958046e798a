/* SPDX-License-Identifier: MIT */
/* The settings of capturepi: defaults, every key, checks across keys, the man page. */
#include "capture/settings/settings.h"

#include <math.h>

#include "tests/test.h"
#include "tests/unit/man_page.h"

static char complaints[4096];

static void collect(void *data, const char *message)
{
	size_t used = strlen(complaints);

	(void)data;
	snprintf(complaints + used, sizeof(complaints) - used, "%s\n", message);
}

static struct capture_settings *new_settings(void)
{
	struct capture_settings *settings = calloc(1, sizeof(*settings));

	setenv("HOME", "/home/pi", 1);
	conf_defaults(&capture_settings_table, settings);
	complaints[0] = '\0';
	return settings;
}

static int set(struct capture_settings *settings, const char *text)
{
	complaints[0] = '\0';
	return conf_override(&capture_settings_table, settings, text, collect, NULL);
}

static int check(struct capture_settings *settings)
{
	complaints[0] = '\0';
	return capture_settings_check(settings, collect, NULL);
}

static int load_mask(struct capture_settings *s, const char *text)
{
	complaints[0] = '\0';
	return conf_load_text(
		&capture_settings_table, s, "x.conf", text, strlen(text), collect, NULL);
}

/* A line of the mask that is refused, for whatever reason, is not just left out. */
TEST(mask_refused)
{
	static const char *const texts[] = { "[mask]\na = 0,0 1,0\n", "[mask]\na = 0,0 1,0 2,1\n",
		"[mask]\na = 0,0 1,0 nan,1\n", "[mask]\na\n",
		"[mask]\na = 0,0 1,0 1,1\na = 0,0 1,0 1,1\n", "[mask]\nb c = 0,0 1,0 1,1\n",
		"[mask]\na = 0,0 1,0 \xff\n", "[mask]\na =\n", "[mask\na = 0,0 1,0 1,1\n",
		"[msak]\na = 0,0 1,0 1,1\n", "[mask a]\na = 0,0 1,0 1,1\n" };
	CLEANUP_FREE char *many = calloc(10000, 4), *text = NULL;

	for (size_t i = 0; i <= ARRAY_SIZE(texts); i++) {
		CLEANUP_FREE struct capture_settings *s = new_settings();

		for (int k = 0; k < 9999; k++)
			memcpy(many + 4 * k, "0,1 ", 4);
		if (!text && asprintf(&text, "[mask]\na = %s\n[camera]\nquality = 80\n", many) < 0)
			abort();
		CHECK(load_mask(s, i < ARRAY_SIZE(texts) ? texts[i] : text) > 0);
		if (!CHECK(s->mask.broken))
			fprintf(stderr, "  %s\n", i < ARRAY_SIZE(texts) ? texts[i] : "many");
	}
}

TEST(mask_taken)
{
	CLEANUP_FREE struct capture_settings *s = new_settings(), *other = new_settings();
	char name[2 * MASK_NAME_MAX];

	CHECK_INT(
		load_mask(s,
			"[camera]\nquality = 200\n[mask]\nb = 0,0 1,0 1,1\na = 0,0 1,0 0,1 ; x\n"),
		1);
	CHECK(!s->mask.broken);
	CHECK_INT(s->mask.n, 2);
	CHECK_STR(s->mask.polygon[1].name, "a");
	CHECK_STR(s->mask.polygon[1].points, "0,0 1,0 0,1");
	for (int i = 3; i <= MASK_POLYGONS_MAX; i++) {
		snprintf(name, sizeof name, "mask.p%d=0,0 1,0 1,1", i);
		CHECK_INT(set(s, name), 0);
	}
	CHECK(!s->mask.broken);
	CHECK_INT(set(s, "mask.last=0,0 1,0 1,1"), -EINVAL);
	CHECK(s->mask.broken);
	/* the last good settings have another mask than those that are wrong, or the same one */
	load_mask(other, "[mask]\na = 0,0 1,0 1,1\n");
	s->mask = other->mask;
	capture_settings_fall_back(other, s);
	CHECK(!s->mask.broken);
	s->mask.n = 0;
	capture_settings_fall_back(other, s);
	CHECK(s->mask.broken);
}

TEST(defaults)
{
	CLEANUP_FREE struct capture_settings *s = new_settings();

	CHECK_STR(s->archive.path, "/home/pi/captures");
	CHECK_STR(s->archive.camera, "camera");
	CHECK_INT(s->archive.retention.reserve, -5);
	CHECK_INT(s->archive.durability, DURABILITY_FRAME);
	CHECK_INT(schedule_every_us(&s->schedule), 60000000);
	CHECK_INT(s->schedule.n_at, 0);
	CHECK_INT(s->schedule.offset_us, 0);
	CHECK_INT(s->schedule.days, 0x7f);
	CHECK_INT(s->schedule.n_hours, 0);
	CHECK(!s->schedule.daylight);
	CHECK(isnan(s->schedule.latitude) && isnan(s->schedule.longitude));
	CHECK_INT(s->wait_for_clock_us, 60000000);
	CHECK_STR(s->camera.source, "auto");
	CHECK_INT(s->camera.quality, 85);
	CHECK_INT(s->camera.standby, STANDBY_AUTO);
	CHECK(s->camera.phase_lock);
	CHECK_INT(s->test.seed, 1);
	CHECK_STR(s->test.faults, "");
	CHECK_INT(s->test.trouble, VIEW_NONE);
	CHECK_INT(check(s), 0);
}

TEST(another_camera)
{
	CLEANUP_FREE struct capture_settings *s = new_settings();

	capture_settings_name(s, "porch");
	CHECK_STR(s->archive.path, "/home/pi/captures-porch"); /* not in that of the first */
	CHECK_STR(s->archive.camera, "porch");
	CHECK_INT(check(s), 0);
}

/* the edges of every key: want is what dump says, NULL where it is refused */
static const struct {
	const char *text, *want;
} values[] = {
	{ "archive.path=captures", NULL },
	{ "archive.path=/mnt/x y", "path = /mnt/x y" },
	{ "archive.camera=garden", "camera = garden" },
	{ "archive.camera=two words", NULL },
	{ "archive.camera=a/b", NULL },
	{ "archive.camera=", NULL },
	{ "archive.reserve=90%", "reserve = 90%" },
	{ "archive.reserve=91%", NULL },
	{ "archive.reserve=1G", "reserve = 1G" },
	{ "archive.keep_days=-1", NULL },
	{ "archive.keep_days=36500", "keep_days = 36500" },
	{ "archive.max_bytes=10%", NULL },
	{ "archive.max_bytes=64G", "max_bytes = 64G" },
	{ "archive.durability=batch", "durability = batch" },
	{ "archive.durability=none", NULL },
	{ "archive.require_mount=yes", "require_mount = yes" },
	{ "schedule.every=99999us", NULL },
	{ "schedule.every=100ms", "every = 100ms" },
	{ "schedule.every=24h", "every = 1d" },
	{ "schedule.every=86400000001us", NULL },
	{ "schedule.every=0", NULL },
	{ "schedule.every=auto", "every = auto" },
	{ "schedule.at=18:30,6:00 , NOON", "at = 06:00, 18:30, noon" },
	{ "schedule.at=24:00", NULL },
	{ "schedule.offset=24h", NULL },
	{ "schedule.offset=2s", "offset = 2s" },
	{ "schedule.latitude=91", NULL },
	{ "schedule.latitude=-90", "latitude = -90" },
	{ "schedule.latitude=", "latitude =" },
	{ "schedule.longitude=180", "longitude = 180" },
	{ "schedule.longitude=180.5", NULL },
	{ "schedule.wait_for_clock=61min", NULL },
	{ "camera.source=", NULL },
	{ "camera.source=imx708", "source = imx708" },
	{ "camera.width=16385", NULL },
	{ "camera.height=16384", "height = 16384" },
	{ "camera.quality=0", NULL },
	{ "camera.quality=101", NULL },
	{ "camera.quality=100", "quality = 100" },
	{ "camera.rotation=90", NULL },
	{ "camera.rotation=180", "rotation = 180" },
	{ "camera.flip=vertical", "flip = vertical" },
	{ "camera.flip=both", NULL },
	{ "camera.focus=once", "focus = once" },
	{ "camera.focus=2.5", "focus = 2.5" },
	{ "camera.focus=0", "focus = 0" },
	{ "camera.focus=-1", NULL },
	{ "camera.focus=50.1", NULL },
	{ "camera.focus=nan", NULL },
	{ "camera.focus=", NULL },
	{ "camera.crop=0.25, 0.25,0.5,0.5", "crop = 0.25,0.25,0.5,0.5" },
	{ "camera.crop=0,0,1,1", "crop = 0,0,1,1" },
	{ "camera.crop=0.6,0,0.5,1", NULL },
	{ "camera.crop=0,0,0.04,1", NULL },
	{ "camera.crop=0,0,-0.5,1", NULL },
	{ "camera.crop=0,0,1", NULL },
	{ "camera.crop=0,0,1,1,1", NULL },
	{ "camera.crop=0,0,1e300,1", NULL },
	{ "camera.crop=none", "crop = none" },
	{ "camera.hdr=yes", "hdr = yes" },
	{ "camera.hdr=single", NULL },
	{ "camera.tuning_file=noir.json", NULL },
	{ "camera.tuning_file=/x/noir.json", "tuning_file = /x/noir.json" },
	{ "camera.exposure_max=auto", "exposure_max = auto" },
	{ "camera.exposure_max=5s", "exposure_max = 5s" },
	{ "camera.exposure_max=200s", "exposure_max = 3min 20s" },
	{ "camera.exposure_max=201s", NULL },
	{ "camera.exposure_max=-1s", NULL },
	{ "camera.exposure_max=99us", NULL },
	{ "camera.exposure_max=99999999999999999999s", NULL },
	{ "camera.exposure_max=nan", NULL },
	{ "camera.exposure_max=", NULL },
	{ "camera.gain_max=auto", "gain_max = auto" },
	{ "camera.gain_max=8.5", "gain_max = 8.5" },
	{ "camera.gain_max=0.5", NULL },
	{ "camera.gain_max=-1", NULL },
	{ "camera.gain_max=257", NULL },
	{ "camera.gain_max=nan", NULL },
	{ "camera.gain_max=inf", NULL },
	{ "camera.compensation=-0.3", "compensation = -0.3" },
	{ "camera.compensation=4.1", NULL },
	{ "camera.compensation=nan", NULL },
	{ "camera.flicker=50", "flicker = 50" },
	{ "camera.flicker=off", "flicker = off" },
	{ "camera.flicker=55", NULL },
	{ "camera.metering=matrix", "metering = matrix" },
	{ "camera.metering=center", NULL },
	{ "test.light=night", "light = night" },
	{ "test.light=clock", "light = clock" },
	{ "test.light=day", NULL },
	{ "camera.fps=0.5", "fps = 0.5" },
	{ "camera.fps=-1", NULL },
	{ "camera.standby=off", NULL },
	{ "camera.standby=stop", "standby = stop" },
	{ "camera.phase_lock=no", "phase_lock = no" },
	{ "camera.warmup=11min", NULL },
	{ "control.ExposureTime=10000", "ExposureTime = 10000" },
	{ "control.Exposure Time=10000", NULL },
	{ "control.A-b=1", NULL },
	{ "control.Gain=", NULL },
	{ "control.*=1", NULL },
	{ "test.trouble=headlights", "trouble = headlights" },
	{ "test.trouble=none", "trouble = none" },
	{ "test.trouble=rain", NULL },
	{ "test.trouble=snow, fog", NULL },
	{ "test.trouble=", NULL },
	{ "test.seed=-1", NULL },
	{ "test.drift_ppm=-1000", "drift_ppm = -1000" },
	{ "test.drift_ppm=1000.5", NULL },
	{ "test.faults=freeze@30+5s, busy@open*3", "faults = freeze@30+5s, busy@open*3" },
};

static bool dump_has(struct capture_settings *settings, const char *line)
{
	CLEANUP_FREE char *text = NULL;
	char whole[256];
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	CHECK_INT(conf_dump(&capture_settings_table, settings, out), 0);
	fclose(out);
	snprintf(whole, sizeof(whole), "\n%s\n", line);
	return strstr(text, whole) != NULL;
}

TEST(every_key)
{
	CLEANUP_FREE struct capture_settings *s = new_settings();

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		int r = set(s, values[i].text);

		if (!CHECK(r == (values[i].want ? 0 : -EINVAL)) ||
			(values[i].want && !CHECK(dump_has(s, values[i].want))))
			fprintf(stderr, "  %s %s\n", values[i].text, complaints);
	}
}

/* what is taken must fit a line of the dump, also with the home folder before it */
TEST(long_paths)
{
	CLEANUP_FREE struct capture_settings *s = new_settings();
	char text[800], path[CONF_VALUE_MAX];

	memset(path, 'p', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	snprintf(text, sizeof(text), "archive.path=%s", path);
	CHECK_INT(set(s, text), 0);
	CHECK_STR(s->archive.path, path);
	snprintf(text, sizeof(text), "archive.path=%sp", path);
	CHECK_INT(set(s, text), -EINVAL);
	snprintf(text, sizeof(text), "archive.path=~%.505s", path);
	CHECK_INT(set(s, text), -EINVAL);
}

TEST(controls)
{
	CLEANUP_FREE struct capture_settings *s = new_settings();
	struct control_arrays arrays;
	struct camera_options options;
	char text[200], long_text[80] = "";

	CHECK_INT(set(s, "control.Gain=1"), 0);
	CHECK_INT(set(s, "control.Gain=2.5"), 0);
	CHECK_INT(s->n_controls, 1);
	options = capture_camera_options(s, &arrays);
	CHECK_INT(options.n_controls, 1);
	CHECK_STR(options.control_names[0], "Gain");
	CHECK_STR(options.control_values[0], "2.5");
	for (int i = 1; i < CONF_CONTROLS_MAX; i++) {
		snprintf(text, sizeof(text), "control.C%d=1", i);
		CHECK_INT(set(s, text), 0);
	}
	CHECK_INT(set(s, "control.OneMore=1"), -EINVAL);
	CHECK_INT(set(s, "control.Gain=3"), 0);
	CHECK_INT(s->n_controls, CONF_CONTROLS_MAX);

	s->n_controls = 0;
	memset(long_text, 'a', 64);
	snprintf(text, sizeof(text), "control.%s=1", long_text);
	CHECK_INT(set(s, text), -EINVAL);
	snprintf(text, sizeof(text), "control.V=%s", long_text);
	CHECK_INT(set(s, text), -EINVAL);
	CHECK_INT(s->n_controls, 0);
}

TEST(camera_options)
{
	CLEANUP_FREE struct capture_settings *s = new_settings();
	struct control_arrays arrays;
	struct camera_options options;

	CHECK(!capture_camera_options(s, &arrays).id);
	CHECK_INT(set(s, "camera.source=test"), 0);
	CHECK(!capture_camera_options(s, &arrays).id);
	CHECK_INT(set(s, "camera.source=imx708"), 0);
	CHECK_INT(set(s, "camera.width=640"), 0);
	CHECK_INT(set(s, "camera.height=480"), 0);
	CHECK_INT(set(s, "test.seed=7"), 0);
	CHECK_INT(set(s, "test.trouble=spider"), 0);
	options = capture_camera_options(s, &arrays);
	CHECK_STR(options.id, "imx708");
	CHECK_INT(options.width, 640);
	CHECK_INT(options.height, 480);
	CHECK_INT(options.seed, 7);
	CHECK_INT(options.trouble, VIEW_SPIDER);
}

/* settings that do not go together, and what is made of them */
TEST(checks_across_keys)
{
	CLEANUP_FREE struct capture_settings *s = new_settings();

	CHECK_INT(set(s, "schedule.every=10s"), 0);
	CHECK_INT(set(s, "schedule.offset=10s"), 0);
	CHECK_INT(check(s), 1);
	CHECK_STR(complaints, "schedule.offset: must be less than schedule.every; taken as 0\n");
	CHECK_INT(s->schedule.offset_us, 0);
	CHECK_INT(check(s), 0);

	CHECK_INT(set(s, "schedule.every=auto"), 0);
	CHECK_INT(set(s, "schedule.at=12:00"), 0);
	CHECK_INT(check(s), 0);
	CHECK_INT(set(s, "schedule.offset=10s"), 0);
	CHECK_INT(check(s), 1);
	CHECK_STR(complaints, "schedule.offset: has no effect without schedule.every\n");
	CHECK_INT(set(s, "schedule.hours=22:00-02:00, 06:00-12:00"), 0);
	CHECK_INT(set(s, "schedule.at=23:00, 01:59, 06:00"), 0);
	CHECK_INT(check(s), 0);
	CHECK_INT(set(s, "schedule.at=23:00, 02:00"), 0);
	CHECK_INT(check(s), 1);
	CHECK_STR(complaints, "schedule.at: 02:00 is outside schedule.hours and never comes\n");
	CHECK_INT(set(s, "schedule.at=none"), 0);

	CHECK_INT(set(s, "schedule.daylight=yes"), 0);
	CHECK_INT(set(s, "schedule.latitude=52"), 0);
	CHECK_INT(check(s), 1);
	CHECK(strstr(complaints, "schedule.daylight: needs") == complaints);
	CHECK(!s->schedule.daylight);
	CHECK_INT(set(s, "schedule.daylight=yes"), 0);
	CHECK_INT(set(s, "schedule.longitude=4"), 0);
	CHECK_INT(check(s), 0);
	CHECK(s->schedule.daylight);

	CHECK(!s->exif_gps);
	CHECK_INT(set(s, "exif.gps=yes"), 0);
	CHECK_INT(check(s), 0);
	CHECK(s->exif_gps);
	CHECK_INT(set(s, "schedule.longitude="), 0);
	CHECK_INT(set(s, "schedule.daylight=no"), 0);
	CHECK_INT(check(s), 1);
	CHECK(strstr(complaints, "exif.gps: needs schedule.latitude") == complaints);
	CHECK(!s->exif_gps);

	CHECK_INT(set(s, "camera.width=640"), 0);
	CHECK_INT(check(s), 1);
	CHECK(strstr(complaints, "camera.width and camera.height") == complaints);
	CHECK_INT(s->camera.width, 0);

	CHECK_INT(set(s, "camera.warmup=1s"), 0);
	CHECK_INT(set(s, "camera.standby=stream"), 0);
	CHECK_INT(check(s), 1);
	s->archive.path[0] = '\0';
	CHECK_INT(check(s), 2);
	CHECK_INT(set(s, "archive.require_mount=yes"), 0);
	CHECK_INT(check(s), 2);
}

/* times that need a place, that are there twice, and that are no times */
TEST(checks_of_at)
{
	CLEANUP_FREE struct capture_settings *s = new_settings();
	static const char *const refused[] = { "sunrise+30h", "sunset-12h 1min", "noon+30s", "dawn",
		"sunrise sunset", "25:00", "sunrise+sunset" };

	CHECK_INT(set(s, "schedule.at=sunrise, 12:00, noon-1h, 12:00, 12:00"), 0);
	CHECK_INT(check(s), 4);
	CHECK_STR(complaints,
		"schedule.at: 12:00 is listed twice; taken once\n"
		"schedule.at: 12:00 is listed twice; taken once\n"
		"schedule.at: noon-1h needs schedule.latitude and schedule.longitude; left out\n"
		"schedule.at: sunrise needs schedule.latitude and schedule.longitude; left out\n");
	CHECK_INT(s->schedule.n_at, 1);
	CHECK_INT(check(s), 0);
	CHECK_INT(set(s, "schedule.latitude=52"), 0);
	CHECK_INT(set(s, "schedule.at=noon"), 0);
	CHECK_INT(check(s), 1);
	CHECK_INT(s->schedule.n_at, 0);
	CHECK_INT(set(s, "schedule.longitude=4"), 0);
	CHECK_INT(set(s, "schedule.at=noon, sunrise+1h, sunrise+60min, sunset"), 0);
	CHECK_INT(check(s), 1);
	CHECK_STR(complaints, "schedule.at: sunrise+1h is listed twice; taken once\n");
	CHECK_INT(s->schedule.n_at, 3);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		char text[64];

		snprintf(text, sizeof text, "schedule.at=%s", refused[i]);
		CHECK_INT(set(s, text), -EINVAL);
	}
	CHECK_INT(s->schedule.n_at, 3);
}

/* What contradicts the longest exposure is told; the limits are kept all the same. */
TEST(an_exposure_that_does_not_fit)
{
	CLEANUP_FREE struct capture_settings *s = new_settings();

	CHECK_INT(set(s, "schedule.every=10s"), 0);
	CHECK_INT(set(s, "camera.exposure_max=10s"), 0);
	CHECK_INT(check(s), 0);
	CHECK_INT(set(s, "camera.exposure_max=11s"), 0);
	CHECK_INT(check(s), 1);
	CHECK(strstr(complaints, "camera.exposure_max: longer than the interval") == complaints);
	CHECK_INT(set(s, "camera.exposure_max=1s"), 0);
	CHECK_INT(set(s, "camera.fps=2"), 0);
	CHECK_INT(check(s), 1);
	CHECK(strstr(complaints, "camera.exposure_max: longer than a frame") == complaints);
	CHECK_INT(set(s, "camera.fps=0"), 0);
	CHECK_INT(set(s, "control.ExposureTime=1000"), 0);
	CHECK_INT(check(s), 1);
	CHECK(strstr(complaints, "no effect with control.ExposureTime") != NULL);
	CHECK_INT(set(s, "camera.exposure_max=auto"), 0);
	CHECK_INT(check(s), 0);
}

TEST(man_page)
{
	check_man_page(&capture_settings_table, SOURCE_ROOT "/capture/capturepi.conf.5.scd");
}
