/* SPDX-License-Identifier: MIT */
/* What other programs hear of: `pullpi metrics` and `pullpi hook`. */
#include <string.h>

#include "common/base/json.h"
#include "common/events/hook.h"
#include "common/events/metrics.h"
#include "pull/commands/commands.h"
#include "pull/session/copy.h"

static const struct metric pull_metrics[] = {
	{ "pullpi_stale", METRIC_GAUGE, "Whether a picture that is due is missing here", "/stale" },
	{ "pullpi_state", METRIC_GAUGE, "Always 1; the label says why a picture is missing",
		"/state", "state" },
	{ "pullpi_missing_timestamp_seconds", METRIC_GAUGE,
		"The slot whose picture is missing here, if it is known", "/missing" },
	{ "pullpi_next_timestamp_seconds", METRIC_GAUGE,
		"The slot whose picture comes next, if none is missing", "/next" },
	{ "pullpi_newest_timestamp_seconds", METRIC_GAUGE, "Slot of the newest picture here",
		"/newest_slot" },
	{ "pullpi_newest_age_seconds", METRIC_GAUGE, "Age of the newest picture here",
		"/newest_age_s" },
	{ "pullpi_reachable", METRIC_GAUGE, "Whether the last try reached the camera",
		"/contact/reachable" },
	{ "pullpi_contact_code", METRIC_GAUGE, "Exit code of the last try", "/contact/code" },
	{ "pullpi_last_try_timestamp_seconds", METRIC_GAUGE, "When the camera was tried last",
		"/contact/last_try" },
	{ "pullpi_last_success_timestamp_seconds", METRIC_GAUGE, "When it answered last",
		"/contact/last_ok" },
	{ "pullpi_link_bytes_per_second", METRIC_GAUGE, "Rate of the last pull", "/contact/rate" },
	{ "pullpi_clock_ahead_seconds", METRIC_GAUGE,
		"How far the camera's clock is ahead of ours; 0: they agree", "/camera_ahead_s",
		.zero = true },
	{ "pullpi_behind_lines", METRIC_GAUGE,
		"Lines of the camera's journal, most of them pictures, that are not here yet",
		"/behind" },
	{ "pullpi_gap_slots", METRIC_GAUGE,
		"Slots of the last 24 hours without a picture here, by cause", "/gaps_24h",
		"cause" },
	{ "pullpi_taken_slots", METRIC_GAUGE,
		"Slots of the last 24 hours whose picture is here, or was", "/taken_24h" },
	{ "pullpi_lateness_seconds", METRIC_SUMMARY,
		"How far from these slots exposures began; quantile 1 is the worst", "/late_us/p50",
		"quantile", "0.5", 1e-6 },
	{ "pullpi_lateness_seconds", METRIC_SUMMARY, NULL, "/late_us/p99", "quantile", "0.99",
		1e-6 },
	{ "pullpi_lateness_seconds", METRIC_SUMMARY, NULL, "/late_us/max", "quantile", "1", 1e-6 },
	{ "pullpi_store_failing", METRIC_GAUGE, "Whether this machine cannot store pictures",
		"/contact/here_error", .zero = true },
	{ "pullpi_room_state", METRIC_GAUGE,
		"Always 1; the label says what keeps one more picture from being stored: free is "
		"nothing",
		"/room/state", "state" },
	{ "pullpi_room_bytes", METRIC_GAUGE, "Space of the disk above the reserve", "/room/bytes" },
	{ "pullpi_disk_full_timestamp_seconds", METRIC_GAUGE,
		"When that is used up as the cameras go on, if ever", "/room/full" },
	{ "pullpi_stored_today_bytes", METRIC_GAUGE, "What came this day (UTC)", "/room/today" },
	{ "pullpi_daily_limit_bytes", METRIC_GAUGE, "What may come in a day", "/room/daily_bytes" },
	{ "pullpi_carried_month_bytes", METRIC_GAUGE,
		"What connections carried this month, where it has a budget", "/budget/used" },
	{ "pullpi_monthly_limit_bytes", METRIC_GAUGE, "What they may carry in a month",
		"/budget/bytes" },
	{ "pullpi_hook_pictures_total", METRIC_COUNTER,
		"Pictures that the hook is done with: ran, given_up, or passed: removed before",
		"/hook/ran", "outcome", "ran" },
	{ "pullpi_hook_pictures_total", METRIC_COUNTER, NULL, "/hook/given_up", "outcome",
		"given_up" },
	{ "pullpi_hook_pictures_total", METRIC_COUNTER, NULL, "/hook/passed", "outcome", "passed" },
	{ "pullpi_hook_failing", METRIC_GAUGE, "Whether the command failed last", "/hook/error" },
	{ "pullpi_hook_waiting_lines", METRIC_GAUGE,
		"Lines of the journal, most of them pictures, that the hook has not seen",
		"/hook/waiting" },
	{ "pullpi_unit_failed", METRIC_GAUGE, "Whether a service of this user has failed",
		"/failed", "unit" },
	{ "pullpi_unit_restarts_total", METRIC_COUNTER,
		"Restarts of a service by systemd since somebody started it", "/restarts", "unit" },
};

int command_metrics(struct cli *cli)
{
	static const char *const units[] = { "pullpi-*.service", "viewpi*.service", NULL };
	const struct camera_settings *only = NULL;
	const struct pull_settings *settings;
	struct json_object *objects[CONF_CAMERAS_MAX + 1];
	CLEANUP_FREE void *data = NULL;
	int r = cli_settings(cli, CLI_LENIENT, &data);
	size_t n = 0;

	settings = data;
	if (r == CLI_OK && cli->argc > 0)
		r = pull_choose_camera(cli, settings, cli->argv[0], &only);
	if (r != CLI_OK)
		return r;
	for (size_t i = 0; i < settings->n_cameras; i++) {
		if (!only || only == &settings->cameras[i])
			objects[n++] = camera_status_object(&settings->cameras[i]);
	}
	objects[n++] = metrics_units(units);
	return metrics_command(cli, pull_metrics, ARRAY_SIZE(pull_metrics), objects, n);
}

static int camera_open(const void *data, struct archive **ret)
{
	const struct camera_settings *camera = data;
	const struct archive_options options = { .mode = ARCHIVE_READ };
	char path[PATH_MAX];
	int r = pull_archive_path(camera, path);

	return r == 0 ? copy_open(camera, path, &options, ret) : r;
}

int command_hook(struct cli *cli)
{
	const struct camera_settings *camera;
	const struct pull_settings *settings;
	CLEANUP_FREE void *data = NULL;
	int r = cli_settings(cli, CLI_LENIENT, &data);

	settings = data;
	if (r == CLI_OK)
		r = pull_choose_camera(cli, settings, cli->argc > 0 ? cli->argv[0] : NULL, &camera);
	if (r != CLI_OK)
		return r;
	return hook_command(cli,
		&(struct hook_job){ .settings = &settings->hook,
			.open = camera_open,
			.data = camera,
			.camera = camera->name });
}
