/* SPDX-License-Identifier: MIT */
/* Findings: their names for scripts, their words for people, and how they reach the caller. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/utc.h"
#include "common/upkeep/verify_private.h"

static const struct {
	const char *name, *text;
} kinds[VERIFY_KINDS] = {
	[VERIFY_MISSING] = { "missing", "the file is not there" },
	[VERIFY_SIZE] = { "size", "the file has another size than the journal says" },
	[VERIFY_HASH] = { "hash", "the file has another SHA-256 than the journal says" },
	[VERIFY_MARKERS] = { "markers", "the file is not a JPEG from start to end" },
	[VERIFY_UNREADABLE] = { "unreadable", "cannot be read" },
	[VERIFY_NO_LINE] = { "no-line", "the journal does not know this file" },
	[VERIFY_FOREIGN] = { "foreign", "does not belong there" },
	[VERIFY_TEMP] = { "temp", "left over from a write that was cut short" },
	[VERIFY_LINE] = { "line", "damaged lines" },
	[VERIFY_SEGMENT] = { "segment",
		"its first line is not that of a journal segment of this archive" },
	[VERIFY_DUPLICATE] = { "duplicate", "the number has more than one line" },
	[VERIFY_ORDER] = { "order", "out of order and not marked so" },
	[VERIFY_GAP] = { "gap", "numbers without a line" },
	[VERIFY_LATEST] = { "latest", "does not lead to the newest frame" },
	[VERIFY_IDENTITY] = { "identity", "damaged or gone; the journal tells what belongs there" },
	[VERIFY_CHANGED] = { "changed", "its line was changed, perhaps with its picture" },
	[VERIFY_CUT] = { "cut", "the last lines were cut off, or are those of an older copy" },
	[VERIFY_FORKED] = { "forked",
		"another history: the card was cloned or restored, or all lines were written "
		"again" },
	[VERIFY_BRANCH] = { "forked",
		"another history: the card was cloned or restored; what was here of it is kept "
		"in" },
	[VERIFY_UNCHAINED] = { "unchained",
		"the line after it does not vouch for this line, which a repair or an older "
		"version wrote" },
	[VERIFY_NOT_OURS] = { "not-ours", "not ours" },
};

const char *verify_kind_name(enum verify_kind kind)
{
	return kinds[kind].name;
}

bool verify_is_note(enum verify_kind kind)
{
	return kind == VERIFY_NOT_OURS || kind == VERIFY_BRANCH || kind == VERIFY_UNCHAINED;
}

const char *verify_describe(const struct verify_finding *finding, char *buf, size_t size)
{
	const char *text = kinds[finding->kind].text, *path = finding->path;
	const char *colon = *path ? ": " : "";

	char since[UTC_TEXT_MAX];

	switch (finding->kind) {
	case VERIFY_CHANGED:
	case VERIFY_CUT:
	case VERIFY_FORKED:
		snprintf(buf, size, "number %" PRIu64 ": %s%s%s", finding->seq, text,
			finding->since_us == TIME_NONE ? "" : "; it was not so at ",
			finding->since_us == TIME_NONE
				? ""
				: utc_format_local(finding->since_us, since));
		break;
	case VERIFY_BRANCH:
		snprintf(buf, size, "number %" PRIu64 ": %s %s", finding->seq, text, path);
		break;
	case VERIFY_UNCHAINED:
		snprintf(buf, size, "number %" PRIu64 ": %s", finding->seq, text);
		break;
	case VERIFY_UNREADABLE:
		snprintf(buf, size, "%s%s%s: %s", path, colon, text, strerror(-finding->error));
		break;
	case VERIFY_LINE:
		snprintf(buf, size, "%s%s%" PRIu64 " %s", path, colon, finding->count, text);
		break;
	case VERIFY_GAP:
		snprintf(buf, size, "%" PRIu64 " to %" PRIu64 ": %" PRIu64 " %s", finding->seq,
			finding->seq + finding->count - 1, finding->count, text);
		break;
	case VERIFY_DUPLICATE:
		snprintf(buf, size, "%s%s%s: %" PRIu64, path, colon, text, finding->seq);
		break;
	default:
		snprintf(buf, size, "%s%s%s", path, colon, text);
		break;
	}
	return buf;
}

int verify_report(struct verify *verify, struct verify_finding finding)
{
	if (finding.count == 0)
		finding.count = 1;
	verify->totals.found[finding.kind]++;
	verify->totals.findings += !verify_is_note(finding.kind);
	if (verify->options->finding && !verify->options->finding(verify->options->data, &finding))
		return -ECANCELED;
	return 0;
}
