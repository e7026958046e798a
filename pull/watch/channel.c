/* SPDX-License-Identifier: MIT */
/* Mail and HTTP through libcurl, a command as a child. */
#include "pull/watch/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <curl/curl.h>

#include "common/base/child.h"
#include "common/base/clock.h"
#include "common/base/fs.h"
#include "common/base/text.h"
#include "common/base/utc.h"

#define CONNECT_SECONDS 10
#define STALL_SECONDS 20 /* without a byte */
#define SECRETS_MAX 16384

const char *channel_name(enum channel channel)
{
	static const char *const names[] = { "mail", "ntfy", "url", "command", "ping" };

	return names[channel];
}

/* ---- secrets */

#define SECRET(member, help)                                                                       \
	{                                                                                          \
		"alarm", #member, &conf_string, CONF_FIELD(struct secrets, member), "", help,      \
			.unset = ""                                                                \
	}
static const struct conf_item secret_items[] = {
	SECRET(mail_password, "Of mail_user"),
	SECRET(ntfy_token, "Access token"),
	SECRET(url_token, "Bearer token"),
	SECRET(ntfy, "The topic's address"),
	SECRET(url, "Address that is a secret itself"),
	SECRET(ping_url, "Address that is a secret itself"),
};
static const struct conf_table secret_table = { secret_items, ARRAY_SIZE(secret_items) };

/* Keeps the number of the line alone: the rest of a complaint has what is secret. */
static void secret_complain(void *data, const char *message)
{
	const char *number = strchr(message, ':');

	if (*(int *)data == 0 && number)
		*(int *)data = (int)strtol(number + 1, NULL, 10);
}

int secrets_load(const char *path, struct secrets *ret, int *ret_line)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char text[SECRETS_MAX];
	struct secrets secrets = { 0 };
	struct stat st;
	ssize_t n;

	conf_defaults(&secret_table, &secrets);
	if (fd < 0 && errno == ENOENT) {
		*ret = secrets;
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0 ||
		(st.st_uid != geteuid() && st.st_uid != 0))
		return -EPERM;
	n = fs_read_at(fd, text, sizeof text, 0);
	if (n < 0)
		return (int)n;
	*ret_line = 0;
	if (conf_load_text(&secret_table, &secrets, "secrets", text, (size_t)n, secret_complain,
		    ret_line) != 0)
		return -EBADMSG;
	*ret = secrets;
	return 0;
}

/* ---- addresses */

static const char *channel_address(const struct channels *channels, enum channel channel)
{
	const struct alarm_settings *settings = channels->settings;
	const struct secrets *secrets = channels->secrets;

	switch (channel) {
	case CHANNEL_MAIL:
		return settings->mail_server;
	case CHANNEL_NTFY:
		return *secrets->ntfy ? secrets->ntfy : settings->ntfy;
	case CHANNEL_URL:
		return *secrets->url ? secrets->url : settings->url;
	case CHANNEL_PING:
		return *secrets->ping_url ? secrets->ping_url : settings->ping_url;
	case CHANNEL_COMMAND:
	case CHANNELS:
	default:
		return settings->command;
	}
}

bool channel_is_set(const struct channels *channels, enum channel channel)
{
	return *channel_address(channels, channel) != '\0';
}

/* The host of an address, for people; the rest of it may be a secret. */
static void address_host(const char *address, char *ret, size_t size)
{
	CURLU *url = curl_url();
	char *host = NULL;

	if (!url ||
		curl_url_set(url, CURLUPART_URL, address, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
		curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
		host = NULL;
	text_format(ret, size, "%s", host ? host : "the address");
	curl_free(host);
	curl_url_cleanup(url);
}

void channel_host(const struct channels *channels, enum channel channel, char *ret, size_t size)
{
	const char *address = channel_address(channels, channel);

	if (channel == CHANNEL_COMMAND)
		text_format(ret, size, "%s", address);
	else
		address_host(address, ret, size);
}

static bool address_is_here(const char *address)
{
	char host[256];

	address_host(address, host, sizeof host);
	return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
		strcmp(host, "[::1]") == 0;
}

/* ---- one transfer */

struct transfer {
	CURL *curl;
	struct curl_slist *headers, *recipients;
	curl_mime *mime;
	char *picture; /* its bytes, NULL: none */
	size_t picture_bytes;
};

static void transfer_clear(struct transfer *t)
{
	curl_slist_free_all(t->headers);
	curl_slist_free_all(t->recipients);
	curl_mime_free(t->mime);
	curl_easy_cleanup(t->curl);
	free(t->picture);
}

static size_t answer_skip(char *data, size_t size, size_t n, void *user)
{
	(void)data;
	(void)user;
	return size * n;
}

static void transfer_begin(struct transfer *t, const struct channels *channels,
	enum channel channel, const char *picture)
{
	const char *schemes = channel == CHANNEL_MAIL ? "smtp,smtps" : "http,https";

	*t = (struct transfer){ .curl = curl_easy_init() };
	if (!t->curl)
		return;
	curl_easy_setopt(t->curl, CURLOPT_URL, channel_address(channels, channel));
	curl_easy_setopt(t->curl, CURLOPT_PROTOCOLS_STR, schemes);
	curl_easy_setopt(t->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
	curl_easy_setopt(t->curl, CURLOPT_TIMEOUT, (long)CHANNEL_SECONDS);
	curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
	curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, answer_skip);
	curl_easy_setopt(t->curl, CURLOPT_USERAGENT, "pullpi/" CAPTUREPI_VERSION);
	if (*channels->settings->ca_file)
		curl_easy_setopt(t->curl, CURLOPT_CAINFO, channels->settings->ca_file);
	if (*picture)
		fs_read_file(
			AT_FDCWD, picture, CHANNEL_PICTURE_MAX, &t->picture, &t->picture_bytes);
}

static void header_add(struct curl_slist **headers, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*headers, line);

	*headers = longer ? longer : *headers;
}

/* "Name: text" in base64 (RFC 2047), in words of at most 75 bytes that end between characters. */
static void header_add_text(struct curl_slist **headers, const char *name, const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char line[2 * CONF_VALUE_MAX];
	size_t n = (size_t)snprintf(line, sizeof line, "%s:", name);

	for (size_t end; *text && n + 80 < sizeof line; text += end) {
		for (end = strnlen(text, 42); end > 1 && (text[end] & 0xc0) == 0x80; end--)
			continue;
		n += (size_t)snprintf(line + n, sizeof line - n, " =?UTF-8?B?");
		for (size_t i = 0; i < end; i += 3) {
			const unsigned char *c = (const unsigned char *)text + i;
			const unsigned bits = (unsigned)c[0] << 16 | (i + 1 < end ? c[1] << 8 : 0) |
				(i + 2 < end ? c[2] : 0);

			line[n++] = digits[bits >> 18];
			line[n++] = digits[bits >> 12 & 63];
			line[n++] = i + 1 < end ? digits[bits >> 6 & 63] : '=';
			line[n++] = i + 2 < end ? digits[bits & 63] : '=';
		}
		n += (size_t)snprintf(line + n, sizeof line - n, "?=");
	}
	header_add(headers, line);
}

static void header_add_token(struct curl_slist **headers, const char *token)
{
	char line[CONF_VALUE_MAX + 32];

	if (!*token)
		return;
	snprintf(line, sizeof line, "Authorization: Bearer %s", token);
	header_add(headers, line);
}

/* What became of it, without an address in it. */
static int transfer_end(struct transfer *t, enum channel channel, const struct channels *channels,
	char *error, size_t size)
{
	char host[256];
	long code = 0;
	CURLcode r;

	if (!t->curl) {
		snprintf(error, size, "no memory");
		return -EIO;
	}
	curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, t->headers);
	r = curl_easy_perform(t->curl);
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
	address_host(channel_address(channels, channel), host, sizeof host);
	if (r != CURLE_OK && code > 0)
		text_format(error, size, "%s: %s (answer %ld)", host, curl_easy_strerror(r), code);
	else if (r != CURLE_OK)
		text_format(error, size, "%s: %s", host, curl_easy_strerror(r));
	else if (code == 0) /* nothing was asked */
		return 0;
	else if (channel != CHANNEL_MAIL && code >= 300 && code < 400)
		text_format(error, size,
			"%s answers with a redirect (%ld), which is not followed: set the address "
			"it leads to",
			host, code);
	else if (channel != CHANNEL_MAIL && (code < 200 || code > 299))
		text_format(error, size, "%s answers %ld", host, code);
	else
		return 0;
	return -EIO;
}

/* ---- the channels */

static void mail_part(
	struct transfer *t, const char *data, size_t bytes, const char *type, const char *encoder)
{
	curl_mimepart *part = curl_mime_addpart(t->mime);

	curl_mime_data(part, data, bytes);
	curl_mime_type(part, type);
	curl_mime_encoder(part, encoder);
	if (data == t->picture)
		curl_mime_filename(part, "newest.jpg");
}

/* "Date: Sun, 29 Nov 2026 16:00:00 +0000" (RFC 5322). */
static void mail_date(struct transfer *t)
{
	static const char days[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const int64_t now_us = clock_wall_us(&clock_real);
	const int64_t day = now_us / (24 * 3600 * US_PER_SEC);
	struct utc_fields at;
	char line[128];

	utc_split(now_us, &at);
	snprintf(line, sizeof line, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000",
		days + 3 * (day % 7), at.day, months + 3 * (at.month - 1), at.year, at.hour,
		at.minute, at.second);
	header_add(&t->headers, line);
}

static void mail_address(struct transfer *t, const struct alarm_settings *settings)
{
	char line[CONF_VALUE_MAX + 64];

	mail_date(t);
	snprintf(line, sizeof line, "From: <%s>", settings->mail_from);
	header_add(&t->headers, line);
	snprintf(line, sizeof line, "To: %s", settings->mail_to);
	header_add(&t->headers, line);
	header_add(&t->headers, "Auto-Submitted: auto-generated");
	for (const char *to = settings->mail_to; *to; to += strspn(to, ", ")) {
		const size_t n = strcspn(to, ", ");

		snprintf(line, sizeof line, "<%.*s>", (int)n, to);
		header_add(&t->recipients, line);
		to += n;
	}
}

static void mail_prepare(
	struct transfer *t, const struct channels *channels, const struct channel_message *message)
{
	const struct alarm_settings *settings = channels->settings;
	const bool plain = address_is_here(settings->mail_server) &&
		strncmp(settings->mail_server, "smtp:", 5) == 0;

	curl_easy_setopt(
		t->curl, CURLOPT_USE_SSL, (long)(plain ? CURLUSESSL_NONE : CURLUSESSL_ALL));
	if (*settings->mail_user) {
		curl_easy_setopt(t->curl, CURLOPT_USERNAME, settings->mail_user);
		curl_easy_setopt(t->curl, CURLOPT_PASSWORD, channels->secrets->mail_password);
	}
	mail_address(t, settings);
	header_add_text(&t->headers, "Subject", message->title);
	curl_easy_setopt(t->curl, CURLOPT_MAIL_FROM, settings->mail_from);
	curl_easy_setopt(t->curl, CURLOPT_MAIL_RCPT, t->recipients);
	t->mime = curl_mime_init(t->curl);
	mail_part(t, message->text, strlen(message->text), "text/plain; charset=utf-8",
		"quoted-printable");
	if (t->picture)
		mail_part(t, t->picture, t->picture_bytes, "image/jpeg", "base64");
	curl_easy_setopt(t->curl, CURLOPT_MIMEPOST, t->mime);
}

/* A picture is the body, and then the text is a header. */
static void ntfy_prepare(
	struct transfer *t, const struct channels *channels, const struct channel_message *message)
{
	const bool well =
		strcmp(message->kind, "back") == 0 || strcmp(message->kind, "summary") == 0;
	const char *body = t->picture ? t->picture : message->text;
	const size_t bytes = t->picture ? t->picture_bytes : strlen(body);

	header_add_token(&t->headers, channels->secrets->ntfy_token);
	header_add_text(&t->headers, "Title", message->title);
	header_add(&t->headers, well ? "Tags: camera" : "Tags: warning");
	if (t->picture) {
		header_add_text(&t->headers, "Message", message->text);
		header_add(&t->headers, "Filename: newest.jpg");
	}
	curl_easy_setopt(t->curl, CURLOPT_CUSTOMREQUEST, "PUT");
	curl_easy_setopt(t->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes);
	curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS, body);
}

static void url_prepare(
	struct transfer *t, const struct channels *channels, const struct channel_message *message)
{
	header_add_token(&t->headers, channels->secrets->url_token);
	header_add(&t->headers, "Content-Type: application/json");
	curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS, message->json);
}

static int command_send(
	const char *command, const struct channel_message *message, char *error, size_t size)
{
	CLEANUP(child_result_clear) struct child_result child = { 0 };
	const char *const argv[] = { command, message->kind, message->title, message->text,
		message->camera, message->picture, NULL };
	const int r = child_run(argv, CHANNEL_SECONDS * US_PER_SEC, &child);

	if (r < 0)
		text_format(error, size, "%s: %s", command, strerror(-r));
	else if (child.code != 0)
		text_format(error, size, "%s ended with %d: %s", command, child.code,
			text_last_line(child.err));
	return r < 0 || child.code != 0 ? -EIO : 0;
}

int channel_send(const struct channels *channels, enum channel channel,
	const struct channel_message *message, char *error, size_t size)
{
	CLEANUP(transfer_clear) struct transfer t = { 0 };
	const bool shows = channel == CHANNEL_MAIL || channel == CHANNEL_NTFY;

	if (channel == CHANNEL_COMMAND)
		return command_send(channels->settings->command, message, error, size);
	transfer_begin(&t, channels, channel, shows ? message->picture : "");
	if (t.curl && channel == CHANNEL_MAIL)
		mail_prepare(&t, channels, message);
	else if (t.curl && channel == CHANNEL_NTFY)
		ntfy_prepare(&t, channels, message);
	else if (t.curl && channel == CHANNEL_URL)
		url_prepare(&t, channels, message);
	return transfer_end(&t, channel, channels, error, size);
}

int channel_reach(const struct channels *channels, enum channel channel, char *error, size_t size)
{
	CLEANUP(transfer_clear) struct transfer t = { 0 };
	static const struct channel_message nothing = { "", "", "", "", "", "" };
	const char *command = channels->settings->command;

	if (channel == CHANNEL_COMMAND && access(command, X_OK) < 0) {
		text_format(error, size, "%s: %s", command, strerror(errno));
		return -EIO;
	}
	if (channel == CHANNEL_COMMAND)
		return 0;
	transfer_begin(&t, channels, channel, "");
	if (t.curl && channel == CHANNEL_MAIL)
		mail_prepare(&t, channels, &nothing);
	if (t.curl) {
		curl_easy_setopt(t.curl, CURLOPT_CONNECT_ONLY, 1L);
		curl_easy_setopt(t.curl, CURLOPT_TIMEOUT, (long)CHANNEL_REACH_SECONDS);
	}
	return transfer_end(&t, channel, channels, error, size);
}
