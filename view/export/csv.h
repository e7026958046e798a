/* SPDX-License-Identifier: MIT */
/* Facts of slots as CSV (RFC 4180), for spreadsheets. */
#pragma once

#include <stdio.h>

#include "view/facts/moments.h"

/*
 * Writes a cell. Foreign text is cleaned and quoted; a spreadsheet would run what begins with =, +,
 * - or @, so a ' stands before it.
 */
void csv_put_text(FILE *out, const char *text);

void csv_put_head(FILE *out);
/* The row of a moment. `record` is its line in the journal; NULL: not known. `file` "": none. */
void csv_put_moment(
	FILE *out, const struct moment *moment, const struct record *record, const char *file);
