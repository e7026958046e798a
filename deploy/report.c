/* SPDX-License-Identifier: MIT */
/* Steps as lines for people and as objects for scripts. */
#include "deploy/report.h"

#include <stdarg.h>
#include <string.h>

#include "common/base/json.h"
#include "common/base/text.h"
#include "common/systemd/userbus.h"

static void step_print_json(const struct step *step, const char *text)
{
	static const char *const results[] = { "ok", "warn", "failed" };
	struct json_object *o = json_object_new_object(), *lines;

	json_add_text(o, "step", step->name);
	json_add_text(o, "result", results[step->result]);
	if (step->unit)
		json_add_text(o, "unit", step->unit);
	json_add_text(o, "text", text);
	if (step->next)
		json_add_text(o, "next", step->next);
	if (step->log) {
		lines = json_object_new_array();
		for (unsigned i = 0; i < step->log->n_lines; i++)
			json_object_array_add(lines, json_new_text(step->log->lines[i]));
		json_object_object_add(o, "log", lines);
	}
	json_print(o);
}

static void step_print(const struct cli *cli, const struct step *step, const char *text)
{
	FILE *out = step->result == STEP_OK ? stdout : stderr; /* ours: text_print() */

	if (step->result == STEP_OK)
		text_print(out, "%-9s ", step->name);
	else
		text_print(out, "%s: %s%s: ", cli->program->name,
			step->result == STEP_WARN ? "warning: " : "", step->name);
	text_print(out, "%s%s%s\n", step->unit ? step->unit : "", step->unit ? ": " : "", text);
	if (step->log && step->log->n_lines) {
		fputs("  its last log lines:\n", out);
		for (unsigned i = 0; i < step->log->n_lines; i++)
			text_print(out, "    %s\n", step->log->lines[i]);
	} else if (step->log && *step->log->why_empty) {
		text_print(out, "  no log lines: %s\n", step->log->why_empty);
	}
	if (step->next)
		text_print(out, "  next: %s\n", step->next);
}

static void PRINTF(3, 0) report_tell(
	const struct report *report, const struct step *step, const char *fmt, va_list values)
{
	char text[REPORT_TEXT_MAX], next[REPORT_TEXT_MAX];
	struct step hinted = *step;

	hinted.next = user_hint(step->next, next, sizeof next);
	text_vformat(text, sizeof text, fmt, values);
	fflush(stdout); /* in order, where both go to one terminal */
	if (report->json)
		step_print_json(&hinted, text);
	else
		step_print(report->cli, &hinted, text);
	fflush(stdout); /* as they finish */
}

void report_step(const struct report *report, const struct step *step, const char *fmt, ...)
{
	va_list values;

	va_start(values, fmt);
	report_tell(report, step, fmt, values);
	va_end(values);
}

void report_ok(
	const struct report *report, const char *name, const char *unit, const char *fmt, ...)
{
	va_list values;

	va_start(values, fmt);
	report_tell(report, &(struct step){ name, unit, STEP_OK, NULL, NULL }, fmt, values);
	va_end(values);
}

int report_failed(const struct report *report, int code, const char *name, const char *unit,
	const char *next, const char *fmt, ...)
{
	va_list values;

	va_start(values, fmt);
	report_tell(report, &(struct step){ name, unit, STEP_FAILED, next, NULL }, fmt, values);
	va_end(values);
	return code;
}
