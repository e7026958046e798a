/* SPDX-License-Identifier: MIT */
/* Writes facts as CSV. */
#include "view/export/csv.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/base/text.h"
#include "common/base/utc.h"

void csv_put_text(FILE *out, const char *text)
{
	char clean[1024];

	text_clean(text, strlen(text), clean, sizeof(clean));
	putc('"', out);
	if (*clean && strchr("=+-@", *clean))
		putc('\'', out);
	for (const char *c = clean; *c; c++) {
		if (*c == '"')
			putc('"', out);
		putc(*c, out);
	}
	putc('"', out);
}

/* A number that is not known is an empty cell. */
static void csv_put_number(FILE *out, double number, int digits)
{
	putc(',', out);
	if (isfinite(number))
		fprintf(out, "%.*f", digits, number);
}

void csv_put_head(FILE *out)
{
	fputs("slot,local,state,number,file,bytes,late_ms,exposure_us,gain,colour_temperature,"
	      "lens_position,sha256,text\r\n",
		out);
}

static void csv_put_frame(FILE *out, const struct record *frame)
{
	const struct camera_facts *f = &frame->facts;

	fprintf(out, ",%" PRId64, frame->bytes);
	csv_put_number(out,
		frame->exposed_us == TIME_NONE ? (double)NAN : (double)frame->late_us / 1000, 3);
	csv_put_number(out, f->exposure_us, 0);
	csv_put_number(out, f->gain, 3);
	csv_put_number(out, f->colour_temperature, 0);
	csv_put_number(out, f->lens_position, 3);
	putc(',', out);
	for (size_t i = 0; i < sizeof(frame->sha256); i++)
		fprintf(out, "%02x", frame->sha256[i]);
	putc(',', out);
}

void csv_put_moment(
	FILE *out, const struct moment *moment, const struct record *record, const char *file)
{
	char utc[UTC_TEXT_MAX], local[UTC_TEXT_MAX];

	fprintf(out, "%s,%s,%s,%" PRIu64 ",", utc_format(moment->slot_us, utc),
		utc_format_local(moment->slot_us, local), slot_state_name(moment->state),
		moment->seq);
	csv_put_text(out, file);
	if (record && record->type == RECORD_FRAME)
		csv_put_frame(out, record);
	else
		fputs(",,,,,,,,", out);
	csv_put_text(out, record && record->type == RECORD_MISS ? record->text : "");
	fputs("\r\n", out);
}
