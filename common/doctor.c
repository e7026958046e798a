/* SPDX-License-Identifier: MIT */
/* Findings of `doctor`, for people and for scripts. */
#include "common/doctor.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <string.h>

#include "common/text.h"

struct doctor_finding doctor_find(enum doctor_verdict verdict, const char *fmt, ...)
{
	struct doctor_finding finding = { .verdict = verdict };
	va_list ap;

	va_start(ap, fmt);
	text_vformat(finding.text, sizeof finding.text, fmt, ap);
	va_end(ap);
	return finding;
}

struct doctor_finding doctor_fix(struct doctor_finding finding, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vformat(finding.fix, sizeof finding.fix, fmt, ap);
	va_end(ap);
	return finding;
}

const char *doctor_verdict_name(enum doctor_verdict verdict)
{
	static const char *const names[DOCTOR_VERDICTS] = { "ok", "info", "warn", "fail" };

	return names[verdict];
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static void print_object(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (text)
		puts(text);
	json_object_put(object);
}

static void tell_program(
	const char *check, const char *camera, const struct doctor_finding *finding)
{
	struct json_object *object = json_object_new_object();

	add_text(object, "check", check);
	if (camera)
		add_text(object, "camera", camera);
	add_text(object, "verdict", doctor_verdict_name(finding->verdict));
	add_text(object, "text", finding->text);
	if (*finding->fix)
		add_text(object, "fix", finding->fix);
	print_object(object);
}

void doctor_tell(
	struct doctor *doctor, const char *check, const char *camera, struct doctor_finding finding)
{
	char name[96];

	doctor->counts[finding.verdict]++;
	if (doctor->json) {
		tell_program(check, camera, &finding);
		return;
	}
	snprintf(name, sizeof name, "%s%s%s", camera ? camera : "", camera ? " " : "", check);
	printf("%-4s  %-14s %s%s%s\n", doctor_verdict_name(finding.verdict), name, finding.text,
		*finding.fix ? "; " : "", finding.fix);
	fflush(stdout);
}

int doctor_settings(struct doctor *doctor, struct cli *cli, void **ret)
{
	int r = cli_settings(cli, CLI_STRICT, ret);

	if (r == CLI_OK) {
		doctor_tell(doctor, "settings", NULL, doctor_find(DOCTOR_OK, "are right"));
		return r;
	}
	r = cli_settings(cli, CLI_LENIENT, ret);
	doctor_tell(doctor, "settings", NULL,
		doctor_fix(doctor_find(DOCTOR_FAIL, "have mistakes%s",
				   cli->last_good ? ": the last good ones hold" : ""),
			"see `%s check`", cli->program->name));
	return r;
}

int doctor_end(const struct doctor *doctor)
{
	const unsigned *n = doctor->counts;

	if (doctor->json) {
		struct json_object *object = json_object_new_object();

		for (int i = 0; i < DOCTOR_VERDICTS; i++)
			json_object_object_add(object, doctor_verdict_name((enum doctor_verdict)i),
				json_object_new_int64(n[i]));
		print_object(object);
	} else {
		printf("%u ok, %u to know, %u to look at, %u to mend\n", n[DOCTOR_OK],
			n[DOCTOR_INFO], n[DOCTOR_WARN], n[DOCTOR_FAIL]);
	}
	return n[DOCTOR_FAIL] ? CLI_INTERNAL : CLI_OK;
}
