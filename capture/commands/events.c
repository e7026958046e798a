/* SPDX-License-Identifier: MIT */
/* What other programs hear of: `capturepi metrics` and `capturepi hook`. */
#include <string.h>

#include "capture/commands/events.h"
#include "capture/service/status.h"
#include "capture/settings/settings.h"
#include "common/archive/archive.h"
#include "common/base/json.h"
#include "common/events/hook.h"
#include "common/events/metrics.h"

static const struct metric capture_metrics[] = {
	{ "capturepi_up", METRIC_GAUGE, "Whether the service runs", "/running", .zero = true },
	{ "capturepi_archive_readable", METRIC_GAUGE, "Whether there is an archive to read",
		"/archive", .zero = true },
	{ "capturepi_slots_total", METRIC_COUNTER,
		"Slots that were due, by what became of them: taken, or why they were missed",
		"/service/frames", "outcome", "taken" },
	{ "capturepi_slots_total", METRIC_COUNTER, NULL, "/service/missed", "outcome" },
	{ "capturepi_shots_total", METRIC_COUNTER, "Pictures taken on demand", "/service/shots" },
	{ "capturepi_lateness_seconds", METRIC_SUMMARY,
		"How far from their slots exposures began; quantile 1 is the worst",
		"/service/late_us/p50", "quantile", "0.5", 1e-6 },
	{ "capturepi_lateness_seconds", METRIC_SUMMARY, NULL, "/service/late_us/p99", "quantile",
		"0.99", 1e-6 },
	{ "capturepi_lateness_seconds", METRIC_SUMMARY, NULL, "/service/late_us/max", "quantile",
		"1", 1e-6 },
	{ "capturepi_lateness_seconds", METRIC_SUMMARY, NULL, "/service/late_us/samples",
		.suffix = "_count" },
	{ "capturepi_newest_timestamp_seconds", METRIC_GAUGE, "When the newest picture was taken",
		"/newest_exposed" },
	{ "capturepi_newest_age_seconds", METRIC_GAUGE, "Age of the newest picture",
		"/newest_age_s" },
	{ "capturepi_due_timestamp_seconds", METRIC_GAUGE,
		"The last slot whose picture must be stored by now", "/due" },
	{ "capturepi_next_timestamp_seconds", METRIC_GAUGE, "The next slot", "/next" },
	{ "capturepi_frame_bytes", METRIC_GAUGE, "Size of the last picture",
		"/service/last/bytes" },
	{ "capturepi_encode_seconds", METRIC_GAUGE, "Time that encoding the last picture took",
		"/service/encode_us", .scale = 1e-6 },
	{ "capturepi_store_seconds", METRIC_GAUGE, "Time that storing the last picture took",
		"/service/store_us", .scale = 1e-6 },
	{ "capturepi_stored_frames", METRIC_GAUGE, "Pictures in the archive",
		"/service/store/frames" },
	{ "capturepi_stored_bytes", METRIC_GAUGE, "Their size", "/service/store/bytes" },
	{ "capturepi_removed_frames_total", METRIC_COUNTER, "Pictures that retention has removed",
		"/service/store/removed/frames" },
	{ "capturepi_removed_bytes_total", METRIC_COUNTER, "Their size",
		"/service/store/removed/bytes" },
	{ "capturepi_store_failing", METRIC_GAUGE, "Whether nothing can be stored now",
		"/service/store/error" },
	{ "capturepi_camera_failing", METRIC_GAUGE, "Whether the camera gives no pictures now",
		"/service/camera/error" },
	{ "capturepi_recoveries_total", METRIC_COUNTER,
		"Attempts to get the camera back, by rung: restart, reopen, exit",
		"/service/camera/recoveries", "rung" },
	{ "capturepi_clock_synchronized", METRIC_GAUGE, "Whether the clock is known good",
		"/service/synced" },
	{ "capturepi_settings_pending", METRIC_GAUGE,
		"Whether the settings were changed and are not in effect", "/settings_changed" },
	{ "capturepi_hook_pictures_total", METRIC_COUNTER,
		"Pictures that the hook is done with: ran, given_up, or passed: removed before",
		"/hook/ran", "outcome", "ran" },
	{ "capturepi_hook_pictures_total", METRIC_COUNTER, NULL, "/hook/given_up", "outcome",
		"given_up" },
	{ "capturepi_hook_pictures_total", METRIC_COUNTER, NULL, "/hook/passed", "outcome",
		"passed" },
	{ "capturepi_hook_failing", METRIC_GAUGE, "Whether the command failed last",
		"/hook/error" },
	{ "capturepi_hook_waiting_lines", METRIC_GAUGE,
		"Lines of the journal, most of them pictures, that the hook has not seen",
		"/hook/waiting" },
	{ "capturepi_unit_failed", METRIC_GAUGE, "Whether a service of this user has failed",
		"/failed", "unit" },
	{ "capturepi_unit_restarts_total", METRIC_COUNTER,
		"Restarts of a service by systemd since somebody started it", "/restarts", "unit" },
};

int capture_metrics_command(struct cli *cli)
{
	static const char *const units[] = { "capturepi*.service", "viewpi*.service", NULL };
	CLEANUP(archive_freep) struct archive *archive = NULL;
	const struct archive_options options = { .mode = ARCHIVE_READ };
	const struct capture_settings *settings;
	CLEANUP_FREE void *data = NULL;
	struct json_object *status, *service;
	int r = cli_settings(cli, CLI_LENIENT, &data);

	if (r != CLI_OK)
		return r;
	settings = data;
	if (archive_open(settings->archive.path, &options, &archive) == 0) {
		status = status_object(archive, &settings->schedule);
	} else { /* the disk may be away, and a service waits for it */
		service = status_service(settings->archive.path);
		status = json_object_new_object();
		json_add_text(status, "camera", settings->archive.camera);
		json_add_bool(status, "running", service != NULL);
		json_object_object_add(status, "service", service);
	}
	return metrics_command(cli, capture_metrics, ARRAY_SIZE(capture_metrics),
		(struct json_object *[]){ status, metrics_units(units) }, 2);
}

static int capture_open(const void *data, struct archive **ret)
{
	const struct capture_settings *settings = data;
	const struct archive_options options = { .mode = ARCHIVE_READ };

	return archive_open(settings->archive.path, &options, ret);
}

int capture_hook_command(struct cli *cli)
{
	const struct capture_settings *settings;
	CLEANUP_FREE void *data = NULL;
	int r = cli_settings(cli, CLI_LENIENT, &data);

	if (r != CLI_OK)
		return r;
	settings = data;
	return hook_command(cli,
		&(struct hook_job){
			.settings = &settings->hook, .open = capture_open, .data = settings });
}
