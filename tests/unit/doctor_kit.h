/* SPDX-License-Identifier: MIT */
/* What the tests of the doctors share. */
#pragma once

#include "common/doctor/doctor.h"
#include "tests/test.h"

/* The verdict, and what must stand in its text and in its fix; "": there must be no fix. */
static void check_finding(const char *name, const struct doctor_finding *got,
	enum doctor_verdict want, const char *text, const char *fix)
{
	bool right = got->verdict == want && strstr(got->text, text) && strstr(got->fix, fix) &&
		(*fix || !*got->fix);

	if (!CHECK(right))
		fprintf(stderr, "%s: %s: \"%s\"; \"%s\"\n", name, doctor_verdict_name(got->verdict),
			got->text, got->fix);
}
