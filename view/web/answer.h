/* SPDX-License-Identifier: MIT */
/*
 * Request to answer: a function of the request, its time and the archives, with no state of its
 * own, so that threads, tests and fuzzers may call it as they like. Archives are opened for each
 * request, so one that was moved or unmounted holds nothing back and shows at once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "view/settings/places.h"
#include "view/web/request.h"

#define ANSWER_TAG_MAX 80

struct answer {
	int status;
	const char *type;
	char etag[ANSWER_TAG_MAX]; /* with its quotes; "": none */
	int64_t modified_us; /* TIME_NONE: not known */
	bool is_final; /* what is at this address never changes */
	bool is_page; /* HTML of ours */
	char location[TARGET_MAX + 8]; /* of a redirect, from where the request is; "" */
	/* A body in memory, or a part of a file; neither: there is no body. */
	char *body;
	const char *text; /* instead of `body`: a text that lives for ever */
	size_t bytes;
	int fd; /* -1: none */
	int64_t first, length,
		total; /* of the file; with status 206 `first` and `length` are shown */
	/*
	 * What was asked for is not there yet: ask again in a while. All else is unset then. The
	 * caller limits the waiting.
	 */
	bool waits;
};

/* What reads a whole span needs memory for it: one page and one sheet of such at a time. */
enum answer_turn { TURN_NONE, TURN_PAGE, TURN_SHEET, TURNS };
enum answer_turn answer_turn(const char *target);

/* Always makes an answer; what is wrong is a status and a page with a sentence. */
void answer_make(const struct places *places, const struct web_request *request, bool may_wait,
	struct answer *ret);
/*
 * Without a look at the archives: 401 and 429, the password; 413, a body; 421, not for this
 * machine's name; 503, no memory.
 */
void answer_refuse(int status, struct answer *ret);
void answer_clear(struct answer *answer);

/* What every answer has besides its own: the Content-Security-Policy, and what goes with it. */
struct answer_header {
	const char *name, *value;
};
extern const struct answer_header answer_headers[]; /* ends with a NULL name */
