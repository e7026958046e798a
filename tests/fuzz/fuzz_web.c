/* SPDX-License-Identifier: MIT */
/*
 * Request to answer. The input's lines: the target, If-None-Match, Range, the method, If-Range,
 * If-Modified-Since, If-Match, Host, X-Forwarded-For. Whatever is asked for, the status is one of
 * ours, a page is HTML whose foreign text is escaped, a redirect stays here, and a file is a
 * regular one within the archive.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/clock_kit.h"
#include "view/web/answer.h"
#include "view/web/connections.h"

#define FOREIGN "<q9 \"q9 'q9 &q9 \x1b\xe2\x80\xae>"

static struct places *places;
static char cache[100];

/* An archive with one picture and one miss; each text in it, and its second name, is hostile. */
static void make_archive(void)
{
	CLEANUP(archive_freep) struct archive *archive = NULL;
	const struct archive_options options = { .mode = ARCHIVE_WRITE, .camera = "x" };
	struct record frame = record_new(RECORD_FRAME), miss = record_new(RECORD_MISS);
	const uint8_t jpeg[] = { 0xff, 0xd8, 0, 0, 0, 0, 0xff, 0xd9 };

	places = calloc(1, sizeof(*places));
	MUST(places);
	places->n = 2;
	strcpy(places->list[0].name, "g");
	strcpy(places->list[0].url, "g");
	strcpy(places->list[0].path, "/tmp/fuzz-web-XXXXXX");
	MUST(mkdtemp(places->list[0].path));
	snprintf(cache, sizeof(cache), "%s.cache", places->list[0].path);
	setenv("XDG_CACHE_HOME", cache, 1);
	places->list[1] = places->list[0];
	strcpy(places->list[1].name, "<q9 \"q9 'q9 &q9>");
	strcpy(places->list[1].url, "%3Cq9%20%22q9%20%27q9%20%26q9%3E");
	MUST(archive_open(places->list[0].path, &options, &archive) == 0);
	frame.slot_us = frame.exposed_us = INT64_C(1795190460) * US_PER_SEC;
	strcpy(frame.facts.focus, "<q9 \"q9 'q9");
	MUST(archive_publish(archive, &frame, jpeg, sizeof(jpeg)) == 0);
	miss.slot_us = miss.last_us = frame.slot_us + 60 * US_PER_SEC;
	strcpy(miss.text, FOREIGN);
	MUST(archive_note(archive, &miss) == 0);
}

static void check_page(const struct answer *answer)
{
	MUST(answer->body && strlen(answer->body) == answer->bytes);
	MUST(strncmp(answer->body, "<!DOCTYPE html>", 15) == 0);
	MUST(!strstr(answer->body, "<q9") && !strstr(answer->body, "\"q9"));
	MUST(!strstr(answer->body, "'q9") && !strstr(answer->body, "&q9"));
	for (const char *c = answer->body; *c; c++)
		MUST((unsigned char)*c >= ' ' || *c == '\n');
}

static void check_file(const struct answer *answer)
{
	char link[64], path[300];
	struct stat st;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", answer->fd);
	n = readlink(link, path, sizeof(path) - 1);
	MUST(n > 0 && fstat(answer->fd, &st) == 0 && S_ISREG(st.st_mode));
	path[n] = '\0';
	if (fs_path_is_below(cache, path)) {
		MUST(answer->first == 0 && answer->length == st.st_size && answer->total == 0);
		return;
	}
	MUST(fs_path_is_below(places->list[0].path, path));
	MUST(answer->first >= 0 && answer->length > 0 &&
		answer->first + answer->length <= answer->total && answer->total == 8);
}

/* It goes to what is below this address, and holds nothing but one line. */
static void check_redirect(const struct answer *answer)
{
	MUST(strncmp(answer->location, "./", 2) == 0);
	for (const char *c = answer->location; *c; c++)
		MUST((unsigned char)*c >= ' ' && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int known[] = { 200, 206, 301, 304, 400, 404, 405, 412, 414, 416, 503 };
	const struct clock_fake clock = clock_fake(INT64_C(1795190600) * US_PER_SEC);
	struct web_request request = { .method = "GET", .clock = &clock.clock };
	char *text = fuzz_copy(data, size), *lines[9] = { NULL }, *at;
	const struct sockaddr_in local = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct origin origin;
	struct answer answer;
	bool is_known = false;

	text = realloc(text, size + 1);
	MUST(text);
	text[size] = '\0';
	if (!places)
		make_archive();
	at = text;
	for (size_t i = 0; i < 9; i++)
		lines[i] = strsep(&at, "\n");
	request.target = lines[0];
	request.if_none_match = lines[1];
	request.range = lines[2];
	request.method = lines[3] && *lines[3] ? lines[3] : "GET";
	request.if_range = lines[4];
	request.if_modified_since = request.if_unmodified_since = lines[5];
	request.if_match = lines[6];
	host_is_own(lines[7], "garden.local");
	origin_read((const struct sockaddr *)&local, lines[8], &origin);
	answer_make(places, &request, true, &answer);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		is_known |= answer.status == known[i];
	MUST(answer.waits || is_known);
	if (answer.is_page)
		check_page(&answer);
	if (answer.status == 301)
		check_redirect(&answer);
	if (answer.fd >= 0)
		check_file(&answer);
	answer_clear(&answer);
	free(text);
	return 0;
}
