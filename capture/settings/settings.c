/* SPDX-License-Identifier: MIT */
/* The settings table of capturepi, and the checks of more than one value. */
#include "capture/settings/settings.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/text.h"

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

static const char *const durability_words[] = { "frame", "batch", NULL };
static const char *const standby_words[] = { "auto", "stream", "stop", NULL };

static const struct conf_type type_at = { schedule_parse_at, schedule_print_at };
static const struct conf_type type_days = { schedule_parse_days, schedule_print_days };
static const struct conf_type type_hours = { schedule_parse_hours, schedule_print_hours };
static const struct conf_type type_daylight = { schedule_parse_daylight, schedule_print_daylight };
static const struct conf_type type_control = { control_parse, controls_print };

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
		"A frame at these times of each day, local time",
		.allowed = "none, or at most 48 times such as 12:00, 18:30" },
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
		"Where the camera is, for daylight", .min = -90, .max = 90, .unset = "",
		.allowed = "degrees from -90 (south) to 90 (north)" },
	{ "schedule", "longitude", &conf_double, FIELD(schedule.longitude), "",
		"Where the camera is, for daylight", .min = -180, .max = 180, .unset = "",
		.allowed = "degrees from -180 (west) to 180 (east)" },
	{ "schedule", "wait_for_clock", &conf_duration, FIELD(wait_for_clock_us), "1min",
		"The first slot waits for a synchronised clock until this long after boot",
		.max = 3600 * US_PER_SEC },
	{ "camera", "source", &conf_string, FIELD(camera.source), "auto",
		"The camera: the first one found, the test camera, or one by its name",
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
	{ "camera", "fps", &conf_double, FIELD(camera.fps), "0",
		"Frames a second of the sensor; 0: as fast as it goes at this size", .max = 1000 },
	{ "camera", "standby", &conf_word, FIELD(camera.standby), "auto",
		"Between slots the sensor goes on streaming, or stops; auto: the interval decides",
		.words = standby_words },
	{ "camera", "phase_lock", &conf_bool, FIELD(camera.phase_lock), "yes",
		"Steer the sensor so that an exposure starts on the slot" },
	{ "camera", "warmup", &conf_duration, FIELD(camera.warmup_us), "0",
		"How long before a slot a stopped sensor starts; 0: as long as it takes to settle",
		.max = 600 * US_PER_SEC },
	{ "control", "*", &type_control, 0, sizeof(struct capture_settings), NULL,
		"Controls of the camera by their libcamera names, such as ExposureTime = 10000",
		.allowed =
			"a control's name (letters, digits, _) and a value of at most 63 bytes" },
	{ "test", "seed", &conf_int, FIELD(test.seed), "1",
		"Test camera: number that makes its picture and noise", .max = INT64_MAX },
	{ "test", "drift_ppm", &conf_double, FIELD(test.drift_ppm), "0",
		"Test camera: drift of the sensor's clock in millionths", .min = -1000,
		.max = 1000 },
	{ "test", "faults", &conf_string, FIELD(test.faults), "",
		"Test camera: faults to play, see capturepi(1)",
		.allowed = "a script of faults, at most 511 bytes" },
};

const struct conf_table capture_settings_table = {
	.items = items,
	.n_items = ARRAY_SIZE(items),
};

/* A time that the hours exclude every day is a mistake. */
static int settings_check_at(
	const struct schedule_settings *schedule, conf_complain *complain, void *complain_data)
{
	int count = 0;

	for (int i = 0; i < schedule->n_at; i++) {
		int minute = schedule->at[i].minute;

		if (schedule_has_minute(schedule, minute))
			continue;
		count += conf_tell(complain, complain_data,
			"schedule.at: %02d:%02d is outside schedule.hours and never comes",
			minute / 60, minute % 60);
	}
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
	if (schedule->daylight && (isnan(schedule->latitude) || isnan(schedule->longitude))) {
		count += conf_tell(complain, complain_data,
			"schedule.daylight: needs schedule.latitude and schedule.longitude; "
			"taken as no");
		schedule->daylight = false;
	}
	if (!settings->camera.width != !settings->camera.height) {
		count += conf_tell(complain, complain_data,
			"camera.width and camera.height: set both, or neither; taken as 0");
		settings->camera.width = settings->camera.height = 0;
	}
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

struct camera_options capture_camera_options(
	const struct capture_settings *settings, struct control_arrays *arrays)
{
	const char *source = settings->camera.source;
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
		.rotation = (int)settings->camera.rotation,
		.control_names = arrays->names,
		.control_values = arrays->values,
		.n_controls = settings->n_controls,
		.seed = (uint64_t)settings->test.seed,
		.drift_ppm = settings->test.drift_ppm,
		.faults = settings->test.faults,
	};
}
