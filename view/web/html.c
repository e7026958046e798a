/* SPDX-License-Identifier: MIT */
/* Text into HTML. */
#include "view/web/html.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/base/utc.h"

static void html_escape(FILE *out, const char *text)
{
	char clean[HTML_TEXT_MAX];

	text_clean(text, strnlen(text, HTML_TEXT_MAX * 4), clean, sizeof(clean));
	for (const char *c = clean; *c; c++) {
		switch (*c) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			putc(*c, out);
		}
	}
}

/* One number, whose conversion `spec` is; its last letter says the type. */
static void html_put_number(FILE *out, const char *spec, va_list *args)
{
	const size_t n = strlen(spec);

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	if (spec[n - 1] == 'f')
		fprintf(out, spec, va_arg(*args, double));
	else if (n > 2 && strncmp(spec + n - 3, "ll", 2) == 0)
		fprintf(out, spec, va_arg(*args, long long));
	else if (n > 1 && (spec[n - 2] == 'z' || spec[n - 2] == 'l'))
		fprintf(out, spec, va_arg(*args, long));
	else
		fprintf(out, spec, va_arg(*args, int));
#pragma GCC diagnostic pop
}

void html_put(FILE *out, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	for (const char *c = fmt; *c;) {
		const char *percent = strchrnul(c, '%');
		char spec[16];
		size_t n;

		fwrite(c, 1, (size_t)(percent - c), out);
		if (!*percent)
			break;
		n = strspn(percent + 1, "0123456789.-+lzh") + 2;
		c = percent + n;
		if (percent[n - 1] == '%') {
			putc('%', out);
		} else if (percent[n - 1] == 's') {
			html_escape(out, va_arg(args, const char *));
		} else {
			snprintf(spec, sizeof(spec), "%.*s", (int)n, percent);
			html_put_number(out, spec, &args);
		}
	}
	va_end(args);
}

static void local_split(int64_t wall_us, struct utc_fields *ret)
{
	utc_split(wall_us + utc_local_offset_s(wall_us) * US_PER_SEC, ret);
}

const char *local_date(int64_t wall_us, char buf[static LOCAL_TEXT_MAX])
{
	static const char *const months[] = { "January", "February", "March", "April", "May",
		"June", "July", "August", "September", "October", "November", "December" };
	static const char *const days[] = { "Thursday", "Friday", "Saturday", "Sunday", "Monday",
		"Tuesday", "Wednesday" };
	struct utc_fields f;
	const int day = utc_local_day(wall_us);

	local_split(wall_us, &f);
	snprintf(buf, LOCAL_TEXT_MAX, "%s, %d %s %d", days[(day % 7 + 7) % 7], f.day,
		months[f.month - 1], f.year);
	return buf;
}

const char *local_time(int64_t wall_us, char buf[static LOCAL_TEXT_MAX])
{
	struct utc_fields f;

	local_split(wall_us, &f);
	snprintf(buf, LOCAL_TEXT_MAX, "%02d:%02d:%02d", f.hour, f.minute, f.second);
	return buf;
}

const char *local_day(int64_t wall_us, char buf[static LOCAL_TEXT_MAX])
{
	struct utc_fields f;

	local_split(wall_us, &f);
	snprintf(buf, LOCAL_TEXT_MAX, "%04d-%02d-%02d", f.year, f.month, f.day);
	return buf;
}

void html_put_time(FILE *out, int64_t wall_us)
{
	char utc[UTC_TEXT_MAX], date[LOCAL_TEXT_MAX], time[LOCAL_TEXT_MAX];

	html_put(out, "<time datetime=\"%s\">%s <b>%s</b></time>", utc_format(wall_us, utc),
		local_date(wall_us, date), local_time(wall_us, time));
}
