/* SPDX-License-Identifier: MIT */
/* How members of a status become samples. */
#include "common/events/metrics.h"

#include <json-c/json.h>

#include "tests/test.h"

/* What the rows make of that object; the caller frees it. */
static char *write_text(const struct metric *rows, size_t n, const char *json)
{
	struct json_object *object = json ? json_tokener_parse(json) : NULL;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	metrics_write(rows, n, &object, 1, out);
	fclose(out);
	json_object_put(object);
	return text;
}

TEST(each_kind_of_member)
{
	static const struct {
		struct metric row;
		const char *json, *sample;
	} cases[] = {
		{ { .pointer = "/n" }, "{\"camera\":\"a\",\"n\":7}", "x{camera=\"a\"} 7\n" },
		{ { .pointer = "/n", .scale = 1e-6 }, "{\"n\":250}", "x 0.00025\n" },
		{ { .pointer = "/n" }, "{\"camera\":\"a\",\"n\":true}", "x{camera=\"a\"} 1\n" },
		{ { .pointer = "/n" }, "{\"n\":\"2026-11-24T12:00:00.5Z\"}", "x 1795521600.5\n" },
		{ { .pointer = "/n" }, "{\"n\":\"the disk is full\"}", "x 1\n" },
		{ { .pointer = "/n" }, "{\"n\":\"\"}", "x 0\n" },
		{ { .pointer = "/n", .label = "state" }, "{\"camera\":\"a\",\"n\":\"gone\"}",
			"x{camera=\"a\",state=\"gone\"} 1\n" },
		{ { .pointer = "/n", .label = "is", .value = "n" }, "{\"n\":3}",
			"x{is=\"n\"} 3\n" },
		{ { .pointer = "/n", .label = "cause" }, "{\"n\":{\"a\":1,\"b\":2}}",
			"x{cause=\"a\"} 1\nx{cause=\"b\"} 2\n" },
		{ { .pointer = "/n", .suffix = "_count" }, "{\"n\":3}", "x_count 3\n" },
		{ { .pointer = "/n" }, "{\"camera\":\"a\"}", "" },
		{ { .pointer = "/n" }, "{\"camera\":\"a\",\"n\":null}", "" },
		{ { .pointer = "/n/m" }, "{\"camera\":\"a\",\"n\":[]}", "" },
		{ { .pointer = "/n", .zero = true }, "{\"camera\":\"a\"}", "x{camera=\"a\"} 0\n" },
		{ { .pointer = "/n", .zero = true }, "{\"failed\":{}}", "" }, /* no camera's */
		{ { .pointer = "/n" }, NULL, "" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct metric row = cases[i].row;
		char *text;

		row.name = "x";
		text = write_text(&row, 1, cases[i].json);
		CHECK_STR(text, cases[i].sample);
		free(text);
	}
}

TEST(one_head_for_rows_of_one_name)
{
	static const struct metric rows[] = {
		{ "x", METRIC_SUMMARY, "Help", "/p50", "quantile", "0.5" },
		{ "x", METRIC_SUMMARY, NULL, "/n", .suffix = "_count" },
	};
	char *text = write_text(rows, 2, "{\"p50\":2,\"n\":9}");

	CHECK_STR(text, "# HELP x Help\n# TYPE x summary\nx{quantile=\"0.5\"} 2\nx_count 9\n");
	free(text);
}

/* Names of units and states come from outside: none ends its quotes, its line or the buffer. */
TEST(labels_that_are_hostile)
{
	const struct metric row = { "x", METRIC_GAUGE, NULL, "/n", "unit" };
	char json[4096], *text;
	size_t n = 0;

	text = write_text(&row, 1, "{\"n\":{\"a\\\"} 9\\ny{b=\\\"\\\\\":1}}");
	CHECK_STR(text, "x{unit=\"a\\\"} 9?y{b=\\\"\\\\\"} 1\n");
	free(text);
	n += (size_t)snprintf(json, sizeof json, "{\"n\":{\"");
	for (int i = 0; i < 700; i++)
		n += (size_t)snprintf(json + n, sizeof json - n, "\\\"");
	snprintf(json + n, sizeof json - n, "\":1}}");
	text = write_text(&row, 1, json);
	CHECK(strlen(text) < 600);
	CHECK_INT(strlen(text) % 2, strlen("x{unit=\"\"} 1\n") % 2); /* no \ alone at the end */
	CHECK_STR(text + strlen(text) - 7, "\\\"\"} 1\n");
	free(text);
}
