/* SPDX-License-Identifier: MIT */
/* The settings table of capturepi, and the checks of more than one value. */
#include "capture/settings/settings.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fs.h"
#include "common/base/text.h"

#define DIOPTRES_MAX 50
#define CROP_MIN 0.05
#define EXPOSURE_SETTING_MIN_US 100
#define EXPOSURE_SETTING_MAX_US (200 * US_PER_SEC) /* more than most sensors do */

/* The name of an archive is in JSON lines and in lists, so one word is easiest for scripts. */
static bool camera_name_ok(const char *value)
{
	return *value && !strpbrk(value, " \t/");
}

static bool source_ok(const char *value)
{
	return *value != '\0';
}

static bool rotation_ok(const char *value)
{
	return strcmp(value, "0") == 0 || strcmp(value, "180") == 0;
}

static bool control_name_ok(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	return *name && name[strspn(name, letters)] == '\0' &&
		strlen(name) < sizeof(((struct control_setting *)NULL)->name);
}

/* `dest` is the whole struct: controls and their number. */
static int control_parse(const struct conf_item *item, const char *value, void *dest)
{
	struct capture_settings *settings = dest;
	struct control_setting *control = NULL;

	if (!control_name_ok(item->key) || !*value || !text_is_plain(value, strlen(value)) ||
		strlen(value) >= sizeof(control->value))
		return -EINVAL;
	for (size_t i = 0; !control && i < settings->n_controls; i++) {
		if (strcmp(settings->controls[i].name, item->key) == 0)
			control = &settings->controls[i];
	}
	if (!control && settings->n_controls == ARRAY_SIZE(settings->controls))
		return -ENOSPC;
	if (!control)
		control = &settings->controls[settings->n_controls++];
	snprintf(control->name, sizeof(control->name), "%s", item->key);
	snprintf(control->value, sizeof(control->value), "%s", value);
	return 0;
}

static int controls_print(const struct conf_item *item, const void *dest, FILE *out)
{
	const struct capture_settings *settings = dest;

	(void)item;
	for (size_t i = 0; i < settings->n_controls; i++)
		fprintf(out, "%s = %s\n", settings->controls[i].name, settings->controls[i].value);
	return 0;
}

static int focus_parse(const struct conf_item *item, const char *value, void *dest)
{
	const struct conf_item dioptres = { .type = &conf_double, .max = DIOPTRES_MAX };
	struct focus_setting focus = { FOCUS_FIXED, 0 };

	(void)item;
	if (strcmp(value, "auto") == 0)
		focus.kind = FOCUS_AUTO;
	else if (strcmp(value, "once") == 0)
		focus.kind = FOCUS_ONCE;
	else if (conf_parse(&dioptres, value, &focus.dioptres) < 0)
		return -EINVAL;
	*(struct focus_setting *)dest = focus;
	return 0;
}

static int focus_print(const struct conf_item *item, const void *dest, FILE *out)
{
	const struct focus_setting *focus = dest;

	if (focus->kind == FOCUS_FIXED)
		return conf_double.print(item, &focus->dioptres, out);
	fputs(focus->kind == FOCUS_AUTO ? "auto" : "once", out);
	return 0;
}

/* "0.25,0.25,0.5,0.5": within the view, and not so small that nothing is left to see. */
static int crop_parse(const struct conf_item *item, const char *value, void *dest)
{
	const struct conf_item share = { .type = &conf_double, .max = 1 };
	struct crop_setting crop = { { 0 } };
	char text[CONF_VALUE_MAX], *rest = text;

	(void)item;
	if (strcmp(value, "none") == 0) {
		*(struct crop_setting *)dest = crop;
		return 0;
	}
	snprintf(text, sizeof text, "%s", value);
	for (int i = 0; i < 4; i++) {
		const char *word = strsep(&rest, ",");

		if (!word || conf_parse(&share, word + strspn(word, " "), &crop.share[i]) < 0)
			return -EINVAL;
	}
	if (rest || crop.share[2] < CROP_MIN || crop.share[3] < CROP_MIN ||
		crop.share[0] + crop.share[2] > 1 || crop.share[1] + crop.share[3] > 1)
		return -EINVAL;
	*(struct crop_setting *)dest = crop;
	return 0;
}

static int crop_print(const struct conf_item *item, const void *dest, FILE *out)
{
	const struct crop_setting *crop = dest;
	int r = 0;

	if (crop->share[2] <= 0)
		fputs("none", out);
	for (int i = 0; r == 0 && crop->share[2] > 0 && i < 4; i++) {
		fputs(i ? "," : "", out);
		r = conf_double.print(item, &crop->share[i], out);
	}
	return r;
}

static int mask_add(struct mask_setting *mask, const char *name, const char *points)
{
	struct mask_point read[MASK_POINTS_MAX];
	struct mask_polygon *polygon = &mask->polygon[mask->n];

	if (!control_name_ok(name) || strlen(name) >= sizeof polygon->name ||
		mask_read_points(points, read) < 0)
		return -EINVAL;
	for (size_t i = 0; i < mask->n; i++)
		if (strcmp(mask->polygon[i].name, name) == 0)
			return -EEXIST;
	if (mask->n == ARRAY_SIZE(mask->polygon))
		return -ENOSPC;
	snprintf(polygon->name, sizeof polygon->name, "%s", name);
	snprintf(polygon->points, sizeof polygon->points, "%s", points);
	mask->n++;
	return 0;
}

/* A polygon that is refused must not leave a picture without it. `value` NULL: its line was. */
static int mask_parse(const struct conf_item *item, const char *value, void *dest)
{
	struct mask_setting *mask = dest;
	int r = value ? mask_add(mask, item->key, value) : -EINVAL;

	mask->broken |= r < 0;
	return r;
}

static int mask_print(const struct conf_item *item, const void *dest, FILE *out)
{
	const struct mask_setting *mask = dest;

	(void)item;
	for (size_t i = 0; i < mask->n; i++)
		fprintf(out, "%s = %s\n", mask->polygon[i].name, mask->polygon[i].points);
	return 0;
}

static const char *const flip_words[] = { "none", "horizontal", "vertical", NULL };
static const char *const flicker_words[] = { "off", "50", "60", NULL };
static const char *const metering_words[] = { "centre", "spot", "matrix", NULL };
static const char *const light_words[] = { "clock", "noon", "dusk", "night", NULL };
static const char *const durability_words[] = { "frame", "batch", NULL };
static const char *const standby_words[] = { "auto", "stream", "stop", NULL };

static const struct conf_type type_at = { schedule_parse_at, schedule_print_at };
static const struct conf_type type_days = { schedule_parse_days, schedule_print_days };
static const struct conf_type type_hours = { schedule_parse_hours, schedule_print_hours };
static const struct conf_type type_daylight = { schedule_parse_daylight, schedule_print_daylight };
static const struct conf_type type_focus = { focus_parse, focus_print };
static const struct conf_type type_crop = { crop_parse, crop_print };
static const struct conf_type type_control = { control_parse, controls_print };
static const struct conf_type type_mask = { mask_parse, mask_print };

#define FIELD(member) CONF_FIELD(struct capture_settings, member)

static const struct conf_item items[] = {
	{ "archive", "path", &conf_path, FIELD(archive.path), "~/captures",
		"Folder of the archive" },
	{ "archive", "camera", &conf_string, FIELD(archive.camera), "camera",
		"Name of the camera, in its archive and for pullpi", .accepts = camera_name_ok,
		.allowed = "one word of at most 63 bytes, without /" },
	{ "archive", "reserve", &conf_size, FIELD(archive.retention.reserve), "5%",
		"Space and inodes of the file system to keep free: the oldest frames go first; "
		"0: no frame goes for space",
		.min = -90, .max = INT64_MAX },
	{ "archive", "keep_days", &conf_int, FIELD(archive.retention.keep_days), "0",
		"Frames are removed this many days after their day (UTC) ended; 0: no limit",
		.max = 36500 },
	{ "archive", "max_bytes", &conf_size, FIELD(archive.retention.max_bytes), "0",
		"The archive's frames stay below this size; 0: no limit", .max = INT64_MAX },
	{ "archive", "durability", &conf_word, FIELD(archive.durability), "frame",
		"What a power cut may cost: no stored frame, or those of the last seconds",
		.words = durability_words },
	{ "archive", "mode", &conf_word, FIELD(archive.access), "keep",
		"Who else on this machine reads the pictures: private: nobody (0700), group: the "
		"folder's group (0750), public: everybody (0755); keep: as the folder has it, and "
		"private when it is new",
		.words = fs_access_words },
	{ "archive", "require_mount", &conf_bool, FIELD(archive.require_mount), "no",
		"Store only while the archive is on another file system than /: the stick or disk "
		"is there" },
	{ "schedule", "every", &conf_duration, FIELD(schedule.every_us), "auto",
		"A frame at each multiple of this in UTC; auto: 60s, or no such grid where `at` is "
		"set",
		.min = EVERY_MIN_US, .max = EVERY_MAX_US, .unset = "auto" },
	{ "schedule", "offset", &conf_duration, FIELD(schedule.offset_us), "0",
		"Shifts the grid; less than every", .max = EVERY_MAX_US - 1,
		.allowed = "a duration below 24h" },
	{ "schedule", "at", &type_at, FIELD(schedule), "none",
		"A frame at these times of each day, by the local clock or by the sun",
		.allowed =
			"none, or at most 48 times such as 12:00, noon, sunrise+30min, sunset-1h "
			"(whole minutes, up to 12h)" },
	{ "schedule", "days", &type_days, FIELD(schedule.days), "all",
		"Days of the week with frames, local time",
		.allowed = "all, or days such as mon-fri or mon,wed,sat-sun" },
	{ "schedule", "hours", &type_hours, FIELD(schedule), "all",
		"Hours of the day with frames, local time",
		.allowed = "all, or hours such as 06:00-21:00 or 22:00-02:00, 05:30-07:00" },
	{ "schedule", "daylight", &type_daylight, FIELD(schedule), "no",
		"Frames by daylight only; needs latitude and longitude",
		.allowed = "no, yes, civil, or the sun's lowest elevation in degrees such as -6" },
	{ "schedule", "latitude", &conf_double, FIELD(schedule.latitude), "",
		"Where the camera is: for sunrise, daylight and exif.gps", .min = -90, .max = 90,
		.unset = "", .allowed = "degrees from -90 (south) to 90 (north)" },
	{ "schedule", "longitude", &conf_double, FIELD(schedule.longitude), "",
		"Where the camera is: for sunrise, daylight and exif.gps", .min = -180, .max = 180,
		.unset = "", .allowed = "degrees from -180 (west) to 180 (east)" },
	{ "schedule", "wait_for_clock", &conf_duration, FIELD(wait_for_clock_us), "1min",
		"The first slot waits for a synchronised clock until this long after boot",
		.max = 3600 * US_PER_SEC },
	{ "camera", "source", &conf_string, FIELD(camera.source), "auto",
		"The camera: the best one found, the test camera, or one by its name",
		.accepts = source_ok, .allowed = "auto, test, or a camera's id or model" },
	{ "camera", "width", &conf_int, FIELD(camera.width), "0",
		"Width of the picture in pixels; 0: the sensor's full size",
		.max = PICTURE_SIDE_MAX },
	{ "camera", "height", &conf_int, FIELD(camera.height), "0",
		"Height of the picture in pixels; 0: the sensor's full size",
		.max = PICTURE_SIDE_MAX },
	{ "camera", "quality", &conf_int, FIELD(camera.quality), "85", "JPEG quality", .min = 1,
		.max = 100 },
	{ "camera", "rotation", &conf_int, FIELD(camera.rotation), "0",
		"Degrees by which to turn the picture of a camera that hangs upside down",
		.max = 180, .accepts = rotation_ok, .allowed = "0 or 180" },
	{ "camera", "flip", &conf_word, FIELD(camera.flip), "none",
		"Mirror the picture from left to right (horizontal) or from top to bottom "
		"(vertical)",
		.words = flip_words },
	{ "camera", "focus", &type_focus, FIELD(camera.focus), "auto",
		"Of a lens that moves: focus all the time, once at the start, or at dioptres "
		"(1 / metres; 0: far away)",
		.allowed = "auto, once, or dioptres from 0 (far away) to 50 (2 cm)" },
	{ "camera", "crop", &type_crop, FIELD(camera.crop), "none",
		"The share of the view that is taken: left, top, width, height, such as "
		"0.25,0.25,0.5,0.5",
		.allowed = "none, or left,top,width,height from 0 to 1 that lie within the view, "
			   "with at least 0.05 of it each way" },
	{ "camera", "hdr", &conf_bool, FIELD(camera.hdr), "no",
		"More range from dark to bright, where the sensor (Camera Module 3) or the Pi 5 "
		"has that" },
	{ "camera", "tuning_file", &conf_path, FIELD(camera.tuning_file), "",
		"Of a Pi's camera: another tuning file than the sensor's own, such as that of a "
		"NoIR camera",
		.unset = "" },
	{ "camera", "exposure_max", &conf_duration, FIELD(camera.exposure_max_us), "auto",
		"The longest exposure, for the night; auto: a second, or what the interval allows",
		.min = EXPOSURE_SETTING_MIN_US, .max = EXPOSURE_SETTING_MAX_US, .unset = "auto" },
	{ "camera", "gain_max", &conf_double, FIELD(camera.gain_max), "auto",
		"The highest gain, used once exposures are at their longest; auto: 16, or the "
		"sensor's",
		.min = 1, .max = 256, .unset = "auto" },
	{ "camera", "compensation", &conf_double, FIELD(camera.compensation), "0",
		"Pictures brighter (above 0) or darker by so many stops", .min = -4, .max = 4 },
	{ "camera", "flicker", &conf_word, FIELD(camera.flicker), "off",
		"Exposures that lamps on a mains of 50 or 60 Hz do not make uneven",
		.words = flicker_words },
	{ "camera", "metering", &conf_word, FIELD(camera.metering), "centre",
		"What the exposure is measured by: mostly the centre, only a spot in it, or all "
		"alike",
		.words = metering_words },
	{ "camera", "fps", &conf_double, FIELD(camera.fps), "0",
		"Frames a second of the sensor; 0: near its fastest, at most 30", .max = 1000 },
	{ "camera", "standby", &conf_word, FIELD(camera.standby), "auto",
		"Between slots the sensor goes on streaming, or stops; auto: the interval decides",
		.words = standby_words },
	{ "camera", "phase_lock", &conf_bool, FIELD(camera.phase_lock), "yes",
		"Steer the sensor so that an exposure starts on the slot" },
	{ "camera", "warmup", &conf_duration, FIELD(camera.warmup_us), "0",
		"How long before a slot a stopped sensor starts; 0: as long as it takes to settle",
		.max = 600 * US_PER_SEC },
	{ "exif", "gps", &conf_bool, FIELD(exif_gps), "no",
		"Pictures tell where they were taken, by latitude and longitude" },
	{ "control", "*", &type_control, 0, sizeof(struct capture_settings), NULL,
		"Controls of the camera by their libcamera names, such as ExposureTime = 10000",
		.allowed =
			"a control's name (letters, digits, _) and a value of at most 63 bytes" },
	{ "mask", "*", &type_mask, FIELD(mask), NULL,
		"Polygons of the picture that are blanked: a name, and corners as shares from left "
		"and top, such as window = 0.1,0.2 0.3,0.2 0.3,0.4",
		.allowed = "a name of its own (letters, digits, _) and 3 to 64 corners x,y from "
			   "0,0 (top left) to 1,1, at most 32 polygons",
		.is_strict = true },
	{ "test", "seed", &conf_int, FIELD(test.seed), "1",
		"Test camera: number that makes its picture and noise", .max = INT64_MAX },
	{ "test", "drift_ppm", &conf_double, FIELD(test.drift_ppm), "0",
		"Test camera: drift of the sensor's clock in millionths", .min = -1000,
		.max = 1000 },
	{ "test", "light", &conf_word, FIELD(test.light), "clock",
		"Test camera: the light of its scene; clock: by the sun at latitude and longitude",
		.words = light_words },
	{ "test", "trouble", &conf_word, FIELD(test.trouble), "none",
		"Test camera: what happens to its view", .words = camera_trouble_words },
	{ "test", "faults", &conf_string, FIELD(test.faults), "",
		"Test camera: faults to play, see capturepi(1)",
		.allowed = "a script of faults, at most 511 bytes" },
	HOOK_ITEMS(struct capture_settings, hook),
};

const struct conf_table capture_settings_table = {
	.items = items,
	.n_items = ARRAY_SIZE(items),
};

static bool settings_has_place(const struct schedule_settings *schedule)
{
	return !isnan(schedule->latitude) && !isnan(schedule->longitude);
}

/* Drops times of `at` that are listed twice or need the sun and have no place. */
static int settings_check_at(
	struct schedule_settings *schedule, conf_complain *complain, void *complain_data)
{
	const struct schedule_at *last = NULL;
	char text[SCHEDULE_AT_TEXT_MAX];
	int n = schedule->n_at, count = 0;

	schedule->n_at = 0;
	for (int i = 0; i < n; i++) {
		struct schedule_at at = schedule->at[i];

		schedule_at_text(&at, text);
		if (at.sun != SUN_NONE && !settings_has_place(schedule)) {
			count += conf_tell(complain, complain_data,
				"schedule.at: %s needs schedule.latitude and schedule.longitude; "
				"left out",
				text);
			continue;
		}
		if (last && last->sun == at.sun && last->minute == at.minute) {
			count += conf_tell(complain, complain_data,
				"schedule.at: %s is listed twice; taken once", text);
			continue;
		}
		last = &schedule->at[schedule->n_at++];
		schedule->at[schedule->n_at - 1] = at;
		if (at.sun == SUN_NONE && !schedule_has_minute(schedule, at.minute))
			count += conf_tell(complain, complain_data,
				"schedule.at: %s is outside schedule.hours and never comes", text);
	}
	return count;
}

/* Of an exposure there is nothing to set where it is fixed, and it has to fit. */
static int settings_check_exposure(
	const struct capture_settings *settings, conf_complain *complain, void *complain_data)
{
	int64_t every_us = schedule_interval_us(&settings->schedule);
	int64_t max_us = settings->camera.exposure_max_us;
	int count = 0;

	for (size_t i = 0; max_us > 0 && i < settings->n_controls; i++)
		if (strcmp(settings->controls[i].name, "ExposureTime") == 0)
			count += conf_tell(complain, complain_data,
				"camera.exposure_max: has no effect with control.ExposureTime");
	if (max_us > every_us)
		count += conf_tell(complain, complain_data,
			"camera.exposure_max: longer than the interval between slots; exposures "
			"stay below that");
	if (settings->camera.fps > 0 && (double)max_us > 1e6 / settings->camera.fps)
		count += conf_tell(complain, complain_data,
			"camera.exposure_max: longer than a frame at camera.fps; exposures stay "
			"below that");
	return count;
}

int capture_settings_check(void *data, conf_complain *complain, void *complain_data)
{
	struct capture_settings *settings = data;
	struct schedule_settings *schedule = &settings->schedule;
	int count = 0;

	if (!*settings->archive.path)
		count += conf_tell(complain, complain_data,
			"archive.path: no home folder is known; set it to an absolute path");
	if (schedule->offset_us > 0 && schedule->offset_us >= schedule_every_us(schedule)) {
		count += conf_tell(complain, complain_data, "schedule.offset: %s",
			schedule_every_us(schedule) ? "must be less than schedule.every; taken as 0"
						    : "has no effect without schedule.every");
		schedule->offset_us = 0;
	}
	count += settings_check_at(schedule, complain, complain_data);
	if (schedule->daylight && !settings_has_place(schedule)) {
		count += conf_tell(complain, complain_data,
			"schedule.daylight: needs schedule.latitude and schedule.longitude; "
			"taken as no");
		schedule->daylight = false;
	}
	if (settings->exif_gps && !settings_has_place(schedule)) {
		count += conf_tell(complain, complain_data,
			"exif.gps: needs schedule.latitude and schedule.longitude; taken as no");
		settings->exif_gps = false;
	}
	if (!settings->camera.width != !settings->camera.height) {
		count += conf_tell(complain, complain_data,
			"camera.width and camera.height: set both, or neither; taken as 0");
		settings->camera.width = settings->camera.height = 0;
	}
	count += settings_check_exposure(settings, complain, complain_data);
	if (settings->camera.warmup_us > 0 && settings->camera.standby == STANDBY_STREAM)
		count += conf_tell(complain, complain_data,
			"camera.warmup: has no effect with camera.standby = stream");
	return count;
}

void capture_settings_name(void *data, const char *name)
{
	struct capture_settings *settings = data;
	size_t n = strlen(settings->archive.path);

	if (n > 0) /* else there is no home folder */
		snprintf(
			settings->archive.path + n, sizeof settings->archive.path - n, "-%s", name);
	snprintf(settings->archive.camera, sizeof settings->archive.camera, "%s", name);
}

void capture_settings_fall_back(const void *wrong, void *used)
{
	const struct mask_setting *meant = &((const struct capture_settings *)wrong)->mask;
	struct mask_setting *mask = &((struct capture_settings *)used)->mask;
	char hash[2][MASK_HASH_CHARS + 1];

	mask_hash(meant, hash[0]);
	mask_hash(mask, hash[1]);
	mask->broken |= meant->broken || strcmp(hash[0], hash[1]) != 0;
}

bool capture_settings_rest(const struct capture_settings *settings)
{
	return settings->camera.standby == STANDBY_STOP ||
		(settings->camera.standby == STANDBY_AUTO &&
			schedule_interval_us(&settings->schedule) > STANDBY_STREAM_UP_TO_US);
}

int capture_flicker_hz(const struct capture_settings *settings)
{
	/* in the order of flicker_words */
	static const int hz[] = { 0, 50, 60 };

	return hz[settings->camera.flicker];
}

struct camera_options capture_camera_options(
	const struct capture_settings *settings, struct control_arrays *arrays)
{
	const char *source = settings->camera.source;
	static const double lights[] = { [LIGHT_CLOCK] = 0,
		[LIGHT_NOON] = 1,
		[LIGHT_DUSK] = CAMERA_LIGHT_DUSK,
		[LIGHT_NIGHT] = CAMERA_LIGHT_NIGHT };
	bool by_name = strcmp(source, "auto") != 0 && strcmp(source, "test") != 0;

	for (size_t i = 0; i < settings->n_controls; i++) {
		arrays->names[i] = settings->controls[i].name;
		arrays->values[i] = settings->controls[i].value;
	}
	return (struct camera_options){
		.id = by_name ? source : NULL,
		.width = (int)settings->camera.width,
		.height = (int)settings->camera.height,
		.fps = settings->camera.fps,
		.interval_ns = schedule_every_us(&settings->schedule) * 1000,
		.rotation = (int)settings->camera.rotation,
		.flip = settings->camera.flip,
		.focus = settings->camera.focus.kind,
		.dioptres = settings->camera.focus.dioptres,
		.crop = { settings->camera.crop.share[0], settings->camera.crop.share[1],
			settings->camera.crop.share[2], settings->camera.crop.share[3] },
		.hdr = settings->camera.hdr,
		.stills = capture_settings_rest(settings),
		.tuning_file = settings->camera.tuning_file,
		.compensation = settings->camera.compensation,
		.flicker_hz = capture_flicker_hz(settings),
		.metering = settings->camera.metering,
		.control_names = arrays->names,
		.control_values = arrays->values,
		.n_controls = settings->n_controls,
		.seed = (uint64_t)settings->test.seed,
		.drift_ppm = settings->test.drift_ppm,
		.light = lights[settings->test.light],
		.latitude = settings->schedule.latitude,
		.longitude = settings->schedule.longitude,
		.trouble = (enum camera_trouble)settings->test.trouble,
		.faults = settings->test.faults,
	};
}
