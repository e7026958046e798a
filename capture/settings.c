/* SPDX-License-Identifier: MIT */
/* The settings table of capturepi, and the checks that one value alone cannot pass or fail. */
#include "capture/settings.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"

/* "" is "not set", NaN: latitude and longitude have no sensible default */
static int parse_degrees(
	const struct conf_item *item, const char *key, const char *value, void *dest)
{
	if (!*value) {
		*(double *)dest = NAN;
		return 0;
	}
	return conf_parse_double(item, key, value, dest);
}

/* The name of an archive: it stands in a JSON line and in lists, one word is kindest to scripts. */
static int parse_camera_name(
	const struct conf_item *item, const char *key, const char *value, void *dest)
{
	if (!*value || strpbrk(value, " \t/"))
		return -EINVAL;
	return conf_parse_string(item, key, value, dest);
}

static int parse_source(
	const struct conf_item *item, const char *key, const char *value, void *dest)
{
	if (!*value)
		return -EINVAL;
	return conf_parse_string(item, key, value, dest);
}

static int parse_rotation(
	const struct conf_item *item, const char *key, const char *value, void *dest)
{
	if (strcmp(value, "0") != 0 && strcmp(value, "180") != 0)
		return -EINVAL;
	return conf_parse_int(item, key, value, dest);
}

static bool is_control_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	return *name && name[strspn(name, letters)] == '\0' &&
		strlen(name) < sizeof(((struct control_setting *)NULL)->name);
}

/* `dest` is the whole struct: controls and their number. */
static int parse_control(
	const struct conf_item *item, const char *key, const char *value, void *dest)
{
	struct capture_settings *settings = dest;
	struct control_setting *control = NULL;

	if (!is_control_name(key) || !*value || !text_is_plain(value, strlen(value)) ||
		strlen(value) >= sizeof(control->value))
		return -EINVAL;
	(void)item;
	for (size_t i = 0; !control && i < settings->n_controls; i++) {
		if (strcmp(settings->controls[i].name, key) == 0)
			control = &settings->controls[i];
	}
	if (!control && settings->n_controls == ARRAY_SIZE(settings->controls))
		return -ENOSPC;
	if (!control)
		control = &settings->controls[settings->n_controls++];
	snprintf(control->name, sizeof(control->name), "%s", key);
	snprintf(control->value, sizeof(control->value), "%s", value);
	return 0;
}

static int print_controls(const struct conf_item *item, const void *dest, FILE *out)
{
	const struct capture_settings *settings = dest;

	(void)item;
	for (size_t i = 0; i < settings->n_controls; i++)
		fprintf(out, "%s = %s\n", settings->controls[i].name, settings->controls[i].value);
	return settings->n_controls == 0;
}

static const char *const durability_words[] = { "frame", "batch", NULL };
static const char *const standby_words[] = { "auto", "stream", "stop", NULL };

#define AT(member) offsetof(struct capture_settings, member)
#define SIZE_OF(member) sizeof(((struct capture_settings *)NULL)->member)

static const struct conf_item items[] = {
	{
		.section = "archive",
		.key = "path",
		.parse = conf_parse_path,
		.print = conf_print_string,
		.offset = AT(archive.path),
		.def = "~/captures",
		.allowed = "an absolute path or ~/..., at most 511 bytes",
		.help = "Folder of the archive",
		.size = SIZE_OF(archive.path),
	},
	{
		.section = "archive",
		.key = "camera",
		.parse = parse_camera_name,
		.print = conf_print_string,
		.offset = AT(archive.camera),
		.def = "camera",
		.allowed = "one word of at most 63 bytes, without /",
		.help = "Name of the camera, in its archive and for pullpi",
		.size = SIZE_OF(archive.camera),
	},
	{
		.section = "archive",
		.key = "reserve",
		.parse = conf_parse_size,
		.print = conf_print_size,
		.offset = AT(archive.reserve),
		.def = "5%",
		.allowed = "a size such as 500M or 2G, or 0% to 90%",
		.help = "Space and inodes of the file system that stay free; the oldest frames go "
			"first; 0: none go for space",
		.min = -90,
		.max = INT64_MAX,
	},
	{
		.section = "archive",
		.key = "keep_days",
		.parse = conf_parse_int,
		.print = conf_print_int,
		.offset = AT(archive.keep_days),
		.def = "0",
		.allowed = "a number of days from 0 to 36500",
		.help = "Frames of days that ended longer ago are removed; 0: no limit",
		.min = 0,
		.max = 36500,
	},
	{
		.section = "archive",
		.key = "max_bytes",
		.parse = conf_parse_size,
		.print = conf_print_size,
		.offset = AT(archive.max_bytes),
		.def = "0",
		.allowed = "a size such as 500M or 2G",
		.help = "The archive's frames stay below that; 0: no limit",
		.min = 0,
		.max = INT64_MAX,
	},
	{
		.section = "archive",
		.key = "durability",
		.parse = conf_parse_word,
		.print = conf_print_word,
		.offset = AT(archive.durability),
		.def = "frame",
		.allowed = "frame or batch",
		.help = "What a power cut may cost: no stored frame, or those of the last seconds",
		.words = durability_words,
	},
	{
		.section = "archive",
		.key = "require_mount",
		.parse = conf_parse_bool,
		.print = conf_print_bool,
		.offset = AT(archive.require_mount),
		.def = "no",
		.allowed = "yes or no",
		.help = "Store only if the archive is on another file system than /: the stick or "
			"disk is there",
	},
	{
		.section = "schedule",
		.key = "every",
		.parse = schedule_parse_every,
		.print = schedule_print_every,
		.offset = AT(schedule),
		.def = "auto",
		.allowed = "auto, or a duration from 100ms to 24h",
		.help = "A frame each that long, on the grid of UTC; auto: 60s, or none beside at",
		.min = EVERY_MIN_US,
		.max = EVERY_MAX_US,
	},
	{
		.section = "schedule",
		.key = "offset",
		.parse = conf_parse_duration,
		.print = conf_print_duration,
		.offset = AT(schedule.offset_us),
		.def = "0",
		.allowed = "a duration below 24h",
		.help = "Shifts the grid; less than every",
		.min = 0,
		.max = EVERY_MAX_US - 1,
	},
	{
		.section = "schedule",
		.key = "at",
		.parse = schedule_parse_at,
		.print = schedule_print_at,
		.offset = AT(schedule),
		.def = "none",
		.allowed = "none, or at most 48 times such as 12:00, 18:30",
		.help = "A frame at these times of each day, local time",
	},
	{
		.section = "schedule",
		.key = "days",
		.parse = schedule_parse_days,
		.print = schedule_print_days,
		.offset = AT(schedule.days),
		.def = "all",
		.allowed = "all, or days such as mon-fri or mon,wed,sat-sun",
		.help = "Days of the week with frames, local time",
	},
	{
		.section = "schedule",
		.key = "hours",
		.parse = schedule_parse_hours,
		.print = schedule_print_hours,
		.offset = AT(schedule),
		.def = "all",
		.allowed = "all, or hours such as 06:00-21:00 or 22:00-02:00, 05:30-07:00",
		.help = "Hours of the day with frames, local time",
	},
	{
		.section = "schedule",
		.key = "daylight",
		.parse = schedule_parse_daylight,
		.print = schedule_print_daylight,
		.offset = AT(schedule),
		.def = "no",
		.allowed = "no, yes, civil, or the sun's lowest elevation in degrees such as -6",
		.help = "Frames by daylight only; needs latitude and longitude",
	},
	{
		.section = "schedule",
		.key = "latitude",
		.parse = parse_degrees,
		.print = conf_print_double,
		.offset = AT(schedule.latitude),
		.def = "",
		.allowed = "degrees from -90 (south) to 90 (north)",
		.help = "Where the camera is, for daylight",
		.min = -90,
		.max = 90,
	},
	{
		.section = "schedule",
		.key = "longitude",
		.parse = parse_degrees,
		.print = conf_print_double,
		.offset = AT(schedule.longitude),
		.def = "",
		.allowed = "degrees from -180 (west) to 180 (east)",
		.help = "Where the camera is, for daylight",
		.min = -180,
		.max = 180,
	},
	{
		.section = "schedule",
		.key = "wait_for_clock",
		.parse = conf_parse_duration,
		.print = conf_print_duration,
		.offset = AT(wait_for_clock_us),
		.def = "1min",
		.allowed = "a duration up to 1h",
		.help = "The first slot waits for a synchronised clock until so long after boot",
		.min = 0,
		.max = INT64_C(3600) * US_PER_SEC,
	},
	{
		.section = "camera",
		.key = "source",
		.parse = parse_source,
		.print = conf_print_string,
		.offset = AT(camera.source),
		.def = "auto",
		.allowed = "auto, test, or a camera's id or model",
		.help = "The camera: the first that is found, the test camera, or one by name",
		.size = SIZE_OF(camera.source),
	},
	{
		.section = "camera",
		.key = "width",
		.parse = conf_parse_int,
		.print = conf_print_int,
		.offset = AT(camera.width),
		.def = "0",
		.allowed = "pixels from 0 to 16384",
		.help = "Width of the picture; 0: the sensor's full size",
		.min = 0,
		.max = PICTURE_SIDE_MAX,
	},
	{
		.section = "camera",
		.key = "height",
		.parse = conf_parse_int,
		.print = conf_print_int,
		.offset = AT(camera.height),
		.def = "0",
		.allowed = "pixels from 0 to 16384",
		.help = "Height of the picture; 0: the sensor's full size",
		.min = 0,
		.max = PICTURE_SIDE_MAX,
	},
	{
		.section = "camera",
		.key = "quality",
		.parse = conf_parse_int,
		.print = conf_print_int,
		.offset = AT(camera.quality),
		.def = "85",
		.allowed = "a number from 1 to 100",
		.help = "JPEG quality",
		.min = 1,
		.max = 100,
	},
	{
		.section = "camera",
		.key = "rotation",
		.parse = parse_rotation,
		.print = conf_print_int,
		.offset = AT(camera.rotation),
		.def = "0",
		.allowed = "0 or 180",
		.help = "Degrees by which the camera is mounted the wrong way round",
		.min = 0,
		.max = 180,
	},
	{
		.section = "camera",
		.key = "fps",
		.parse = conf_parse_double,
		.print = conf_print_double,
		.offset = AT(camera.fps),
		.def = "0",
		.allowed = "a number from 0 to 1000",
		.help = "Frames a second of the sensor; 0: as fast as it goes at this size",
		.min = 0,
		.max = 1000,
	},
	{
		.section = "camera",
		.key = "standby",
		.parse = conf_parse_word,
		.print = conf_print_word,
		.offset = AT(camera.standby),
		.def = "auto",
		.allowed = "auto, stream or stop",
		.help = "Between slots the sensor streams on, or stops; auto goes by the interval",
		.words = standby_words,
	},
	{
		.section = "camera",
		.key = "phase_lock",
		.parse = conf_parse_bool,
		.print = conf_print_bool,
		.offset = AT(camera.phase_lock),
		.def = "yes",
		.allowed = "yes or no",
		.help = "Steer the sensor so that an exposure starts on the slot",
	},
	{
		.section = "camera",
		.key = "warmup",
		.parse = conf_parse_duration,
		.print = conf_print_duration,
		.offset = AT(camera.warmup_us),
		.def = "0",
		.allowed = "a duration up to 10min",
		.help = "How long before a slot a stopped sensor starts; 0: as long as it takes to "
			"settle",
		.min = 0,
		.max = INT64_C(600) * US_PER_SEC,
	},
	{
		.section = "control",
		.key = "*",
		.parse = parse_control,
		.print = print_controls,
		.allowed = "a control's name (letters, digits, _) and a value of at most 63 bytes",
		.help = "Controls of the camera by their libcamera names, such as ExposureTime = "
			"10000",
	},
	{
		.section = "test",
		.key = "seed",
		.parse = conf_parse_int,
		.print = conf_print_int,
		.offset = AT(test.seed),
		.def = "1",
		.allowed = "a number of 0 or more",
		.help = "Test camera: number that makes its picture and noise",
		.min = 0,
		.max = INT64_MAX,
	},
	{
		.section = "test",
		.key = "drift_ppm",
		.parse = conf_parse_double,
		.print = conf_print_double,
		.offset = AT(test.drift_ppm),
		.def = "0",
		.allowed = "a number from -1000 to 1000",
		.help = "Test camera: drift of the sensor's clock in millionths",
		.min = -1000,
		.max = 1000,
	},
	{
		.section = "test",
		.key = "faults",
		.parse = conf_parse_string,
		.print = conf_print_string,
		.offset = AT(test.faults),
		.def = "",
		.allowed = "a script of faults, at most 511 bytes",
		.help = "Test camera: faults to play, see capturepi(1)",
		.size = SIZE_OF(test.faults),
	},
};

const struct conf_table capture_settings_table = {
	.items = items,
	.n_items = ARRAY_SIZE(items),
};

static int tell(conf_complain *complain, void *data, const char *message)
{
	if (complain)
		complain(data, message);
	return 1;
}

/* A time that the hours shut out every day was hardly meant. */
static int check_at(
	const struct schedule_settings *schedule, conf_complain *complain, void *complain_data)
{
	char text[128];
	int count = 0;

	for (int i = 0; i < schedule->n_at; i++) {
		int minute = schedule->at[i].minute;

		if (schedule_has_minute(schedule, minute))
			continue;
		snprintf(text, sizeof text,
			"schedule.at: %02d:%02d is outside of schedule.hours; it never comes",
			minute / 60, minute % 60);
		count += tell(complain, complain_data, text);
	}
	return count;
}

int capture_settings_check(void *data, conf_complain *complain, void *complain_data)
{
	struct capture_settings *settings = data;
	struct schedule_settings *schedule = &settings->schedule;
	int count = 0;

	if (!*settings->archive.path)
		count += tell(complain, complain_data,
			"archive.path: no home folder is known; set it to an absolute path");
	if (schedule->offset_us > 0 && schedule->offset_us >= schedule_every_us(schedule)) {
		count += tell(complain, complain_data,
			schedule_every_us(schedule)
				? "schedule.offset: must be less than schedule.every; taken as 0"
				: "schedule.offset: has no effect without schedule.every");
		schedule->offset_us = 0;
	}
	count += check_at(schedule, complain, complain_data);
	if (schedule->daylight && (isnan(schedule->latitude) || isnan(schedule->longitude))) {
		count += tell(complain, complain_data,
			"schedule.daylight: needs schedule.latitude and schedule.longitude; "
			"taken as no");
		schedule->daylight = false;
	}
	if (!settings->camera.width != !settings->camera.height) {
		count += tell(complain, complain_data,
			"camera.width and camera.height: set both, or neither; taken as 0");
		settings->camera.width = settings->camera.height = 0;
	}
	if (settings->camera.warmup_us > 0 && settings->camera.standby == STANDBY_STREAM)
		count += tell(complain, complain_data,
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
