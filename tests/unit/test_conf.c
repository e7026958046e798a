/* SPDX-License-Identifier: MIT */
/* Settings: values and back, files with every kind of bad line, options, dump. */
#include "common/settings/conf.h"

#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <stddef.h>
#include <sys/stat.h>

#include "tests/test.h"

#define INSTANCES_MAX 2

struct door {
	char name[CONF_VALUE_MAX];
	int64_t height;
	bool open;
};

struct house {
	int64_t every, size, count;
	double angle;
	int colour;
	bool lit;
	char label[16];
	char path[CONF_VALUE_MAX];
	char notes[4][32];
	size_t n_notes;
	struct door doors[INSTANCES_MAX];
	size_t n_doors;
};

static int parse_note(const struct conf_item *item, const char *value, void *dest)
{
	struct house *house = dest;

	if (*value == '!')
		return -EINVAL;
	if (house->n_notes == ARRAY_SIZE(house->notes))
		return -ENOSPC;
	snprintf(house->notes[house->n_notes++], sizeof(house->notes[0]), "%s = %s", item->key,
		value);
	return 0;
}

static int print_notes(const struct conf_item *item, const void *dest, FILE *out)
{
	const struct house *house = dest;

	(void)item;
	for (size_t i = 0; i < house->n_notes; i++)
		fprintf(out, "%s\n", house->notes[i]);
	return 0;
}

static const struct conf_type notes = { parse_note, print_notes };
static const char *const colours[] = { "red", "green", NULL };

#define FIELD(member) CONF_FIELD(struct house, member)
#define DOOR(member) CONF_FIELD(struct door, member)
#define HELP "Help text"
#define TEXT .allowed = "allowed text"

static const struct conf_item items[] = {
	{ "time", "every", &conf_duration, FIELD(every), "1min 30s", HELP, .min = 100000,
		.max = INT64_C(86400000000) },
	{ "house", "size", &conf_size, FIELD(size), "5%", HELP, .min = -90, .max = INT64_MAX,
		TEXT },
	{ "house", "count", &conf_int, FIELD(count), "3", HELP, .min = -5, .max = 10, TEXT },
	{ "house", "angle", &conf_double, FIELD(angle), "0.1", HELP, .min = -90, .max = 90, TEXT },
	{ "house", "colour", &conf_word, FIELD(colour), "red", HELP, .words = colours, TEXT },
	{ "house", "lit", &conf_bool, FIELD(lit), "no", HELP, TEXT },
	{ "house", "label", &conf_string, FIELD(label), "", HELP, TEXT },
	{ "house", "path", &conf_path, FIELD(path), "/tmp", HELP, TEXT },
	{ .section = "note", .key = "*", .type = &notes, .help = HELP, TEXT },
	{ "door", "height", &conf_int, DOOR(height), "200", HELP, TEXT },
	{ "door", "open", &conf_bool, DOOR(open), "yes", HELP, TEXT },
};

static const struct conf_table table;

static void *instance(void *data, const char *name)
{
	struct house *house = data;
	struct door *door;

	for (size_t i = 0; i < house->n_doors; i++) {
		if (strcmp(house->doors[i].name, name) == 0)
			return &house->doors[i];
	}
	errno = strchr(name, '/') ? EINVAL : ENOSPC;
	if (errno == EINVAL || house->n_doors == INSTANCES_MAX)
		return NULL;
	door = &house->doors[house->n_doors++];
	snprintf(door->name, sizeof(door->name), "%s", name);
	conf_instance_defaults(&table, door);
	return door;
}

static void *nth_instance(void *data, size_t i, const char **ret_name)
{
	struct house *house = data;

	if (i >= house->n_doors)
		return NULL;
	*ret_name = house->doors[i].name;
	return &house->doors[i];
}

static const struct conf_table table = {
	.items = items,
	.n_items = ARRAY_SIZE(items),
	.named_section = "door",
	.named_allowed = "a door: without /",
	.instance = instance,
	.nth_instance = nth_instance,
};

static void collect(void *data, const char *message)
{
	char *text = data;
	size_t used = strlen(text);

	snprintf(text + used, 8192 - used, "%s\n", message);
}

static char complaints[8192];

/* Loads `bytes` of text as a file over fresh defaults; complaints have "F:" for the file's name. */
static int load_bytes(struct house *house, const char *bytes, size_t length)
{
	char folder[64], path[80], *found;
	FILE *file;
	int r;

	test_make_folder(folder);
	snprintf(path, sizeof(path), "%s/conf", folder);
	file = fopen(path, "w");
	fwrite(bytes, 1, length, file);
	fclose(file);
	*house = (struct house){ 0 };
	conf_defaults(&table, house);
	complaints[0] = '\0';
	r = conf_load(&table, house, path, collect, complaints);
	while ((found = strstr(complaints, path))) {
		*found = 'F';
		memmove(found + 1, found + strlen(path), strlen(found + strlen(path)) + 1);
	}
	test_remove_folder(folder);
	return r;
}

static int load(struct house *house, const char *text)
{
	return load_bytes(house, text, strlen(text));
}

TEST(a_good_file)
{
	struct house house;

	CHECK_INT(load(&house,
			  "\xef\xbb\xbf# comment\n"
			  "; comment\n"
			  "\n"
			  "[time]\r\n"
			  "every=10s ; ten\r\n"
			  "\n"
			  "  [house] # about it\n"
			  "\tsize\t=\t2G\t# two\n"
			  "  count: 7\n"
			  "colour = green\n"
			  "lit = on\n"
			  "label = a#b;c = d\n"
			  "label = Caf\xc3\xa9 \xc2\xb5\n"
			  "[note]\n"
			  "anything = goes\n"
			  "[door back]\n"
			  "height = 1\n"
			  "[house]\n"
			  "count = 8\n"
			  "[ door \t front ]\n"
			  "open = no\n"
			  "[door back]\n"
			  "height = 2"),
		0);
	CHECK_STR(complaints, "");
	CHECK_INT(house.every, 10000000);
	CHECK_INT(house.size, INT64_C(2) << 30);
	CHECK_INT(house.count, 8);
	CHECK_INT(house.colour, 1);
	CHECK(house.lit);
	CHECK_STR(house.label, "Caf\xc3\xa9 \xc2\xb5");
	CHECK_STR(house.path, "/tmp");
	CHECK_INT(house.n_notes, 1);
	CHECK_STR(house.notes[0], "anything = goes");
	CHECK_INT(house.n_doors, 2);
	CHECK_STR(house.doors[0].name, "back");
	CHECK_INT(house.doors[0].height, 2);
	CHECK(house.doors[0].open);
	CHECK_STR(house.doors[1].name, "front");
	CHECK_INT(house.doors[1].height, 200);
	CHECK(!house.doors[1].open);
}

TEST(values_keep_what_is_no_comment)
{
	struct house house;

	CHECK_INT(load(&house, "[house]\nlabel = a#b;c=d:e\n"), 0);
	CHECK_STR(house.label, "a#b;c=d:e");
	CHECK_INT(load(&house, "[house]\nlabel =\n"), 0);
	CHECK_STR(house.label, "");
	CHECK_INT(load(&house, "[house]\nlabel = ;x\n"), 0);
	CHECK_STR(house.label, "");
	CHECK_INT(load(&house, "[house]\nlabel =#x\n"), 0);
	CHECK_STR(house.label, "");
	CHECK_INT(load(&house, "[house]\nlabel:;x\n"), 0);
	CHECK_STR(house.label, "");
	CHECK_INT(load(&house, "[house]\nlabel = =#x\n"), 0);
	CHECK_STR(house.label, "=#x");
	CHECK_INT(load(&house, "[house]\nlabel = \"q\"\n"), 0);
	CHECK_STR(house.label, "\"q\"");
}

/* each is the file's text, then what is complained about, in order */
static const struct {
	const char *text, *want;
} bad_files[] = {
	{ "[time]\nevery = 1x\n",
		"F:2: time.every = 1x: not a duration from 100ms to 1d; the unit is not known: "
		"write 1s, 1min or 1h\n" },
	{ "[time]\nevery = 60\n",
		"F:2: time.every = 60: not a duration from 100ms to 1d; the unit is missing: "
		"write 60s, 60min or 60h\n" },
	{ "[time]\nevery = 1.5 minutes\n",
		"F:2: time.every = 1.5 minutes: not a duration from 100ms to 1d; the unit is not "
		"known: write 1.5s, 1.5min or 1.5h\n" },
	{ "[time]\nevery = 99ms\nevery = 25h\n",
		"F:2: time.every = 99ms: not a duration from 100ms to 1d\n"
		"F:3: time.every = 25h: not a duration from 100ms to 1d\n" },
	{ "[time]\nevry = 1s\n", "F:2: time.evry: unknown key; did you mean `every`?\n" },
	{ "[house]\nevery = 1s\n",
		"F:2: house.every: unknown key; `every` belongs to section [time]\n" },
	{ "[house]\nunheard = 1s\n", "F:2: house.unheard: unknown key\n" },
	{ "[huose]\nsize = 1\nsize = 2\n[house]\nsize = x\n",
		"F:1: [huose]: unknown section; did you mean [house]?\n"
		"F:5: house.size = x: not allowed text\n" },
	{ "[weather]\n", "F:1: [weather]: unknown section\n" },
	{ "every = 1s\n[time]\n", "F:1: a key before the first [section]\n" },
	{ "[time\nevery = 2s\n", "F:1: a section is one `[name]` on a line of its own\n" },
	{ "[time] every = 2s\n", "F:1: a section is one `[name]` on a line of its own\n" },
	{ "[]\n", "F:1: []: unknown section\n" },
	{ "[time]\nevery\n\n\nevery 1s\n[house]\n= 3\n",
		"F:2: not a line of the form `key = value`\n"
		"F:5: not a line of the form `key = value`\n"
		"F:7: not a line of the form `key = value`\n" },
	{ "[time]\nevery\n", "F:2: not a line of the form `key = value`\n" },
	{ "[house]\ncount = 4\n  3s\n", "F:3: not a line of the form `key = value`\n" },
	{ "[time]\nevery = \"2s\"\n",
		"F:2: time.every = \"2s\": not a duration from 100ms to 1d\n" },
	{ "[house]\nlabel = \x01\n", "F:2: not text in UTF-8; the line is skipped\n" },
	{ "[house]\nlabel = \xff\n", "F:2: not text in UTF-8; the line is skipped\n" },
	{ "[house]\nlabel = 0123456789abcdef\n",
		"F:2: house.label = 0123456789abcdef: not allowed text\n" },
	{ "[door]\n", "F:1: [door]: a name is missing: [door NAME]\n" },
	{ "[house 2]\n", "F:1: [house 2]: section [house] has no name\n" },
	{ "[door a/b]\nheight = x\n", "F:1: [door a/b]: not a name of a door: without /\n" },
	{ "[door a]\n[door b]\n[door c]\n[door b]\nheight = ?\n",
		"F:3: [door c]: No space left on device\n"
		"F:5: door.b.height = ?: not allowed text\n" },
	{ "[note]\na = !\n*=1\n", "F:2: note.a = !: not allowed text\n" },
	{ "[note]\na=1\nb=1\nc=1\nd=1\ne=1\n", "F:6: note.e = 1: No space left on device\n" },
};

TEST(bad_lines_are_told)
{
	struct house house;

	for (size_t i = 0; i < ARRAY_SIZE(bad_files); i++) {
		int lines = 0, count = load(&house, bad_files[i].text);

		for (const char *p = bad_files[i].want; *p; p++)
			lines += *p == '\n';
		CHECK_INT(count, lines);
		CHECK_STR(complaints, bad_files[i].want);
		CHECK_INT(house.every, 90000000); /* what was there stays */
	}
}

/* a line of exactly `length` bytes before and a good one after it */
static int load_long(struct house *house, size_t length, const char *start)
{
	char text[CONF_LINE_MAX + 200];
	int used = snprintf(text, sizeof(text), "[house]\n%s", start);
	size_t end = strlen("[house]\n") + length;

	memset(text + used, 'x', end - (size_t)used);
	snprintf(text + end, sizeof(text) - end, "\ncount = 9\n");
	return load(house, text);
}

TEST(long_lines)
{
	struct house house;

	/* inih as Debian builds it would cut at 199 and go on with what is left */
	CHECK_INT(load_long(&house, 400, "path = /"), 0);
	CHECK_INT(strlen(house.path), 393);
	CHECK_INT(house.count, 9);
	CHECK_INT(load_long(&house, CONF_LINE_MAX, "# "), 0);
	CHECK_INT(load_long(&house, CONF_LINE_MAX, "path = /"), 1);
	CHECK(strstr(complaints, "F:2: house.path = /xxxxxx") == complaints);
	CHECK(strstr(complaints, "xxx...: not allowed text"));
	CHECK_STR(house.path, "/tmp");
	CHECK_INT(load_long(&house, CONF_LINE_MAX + 1, "path = /"), 1);
	CHECK_STR(complaints, "F:2: a line of 1001 bytes; at most 1000 are read\n");
	CHECK_INT(house.count, 9);
	CHECK_INT(load_long(&house, 300, "[door "), 1);
	CHECK_STR(complaints, "F:2: a section is one `[name]` on a line of its own\n");
}

TEST(long_section_names_are_whole)
{
	char text[128], name[64] = "";
	struct house house;

	memset(name, 'n', 63);
	snprintf(text, sizeof(text), "[door %s]\nheight = 5\n", name);
	CHECK_INT(load(&house, text), 0);
	CHECK_INT(house.n_doors, 1);
	CHECK_STR(house.doors[0].name, name);
	CHECK_INT(house.doors[0].height, 5);
}

TEST(nul_bytes)
{
	static const char text[] = "[time]\nevery = 1s\0\nevery = 2s\n";
	struct house house;

	CHECK_INT(load_bytes(&house, text, sizeof(text) - 1), 1);
	CHECK_STR(complaints, "F:2: not text in UTF-8; the line is skipped\n");
	CHECK_INT(house.every, 2000000);
}

TEST(complaints_have_an_end)
{
	char text[CONF_FILE_MAX], *p = text;
	int lines = 0;
	struct house house;

	p = stpcpy(p, "[time]\n");
	for (int i = 0; i < 3 * CONF_COMPLAINTS_MAX; i++)
		p = stpcpy(p, "bad\n");
	CHECK_INT(load(&house, text), 3 * CONF_COMPLAINTS_MAX);
	for (p = complaints; *p; p++)
		lines += *p == '\n';
	CHECK_INT(lines, CONF_COMPLAINTS_MAX);
	CHECK(strstr(complaints, "(and no more are told)\n"));
}

TEST(files_that_are_none)
{
	static char big[CONF_FILE_MAX + 1];
	char folder[64], path[80];
	struct house house = { 0 };

	memset(big, '\n', sizeof(big));
	CHECK_INT(load_bytes(&house, big, CONF_FILE_MAX), 0);
	CHECK_INT(load_bytes(&house, big, CONF_FILE_MAX + 1), -EFBIG);
	test_make_folder(folder);
	CHECK_INT(conf_load(&table, &house, folder, NULL, NULL), -EISDIR);
	snprintf(path, sizeof(path), "%s/fifo", folder);
	mkfifo(path, 0600);
	CHECK_INT(conf_load(&table, &house, path, NULL, NULL), -ENOTSUP);
	snprintf(path, sizeof(path), "%s/none", folder);
	CHECK_INT(conf_load(&table, &house, path, NULL, NULL), -ENOENT);
	test_remove_folder(folder);
}

static const struct {
	const char *text, *want; /* want NULL: taken */
} overrides[] = {
	{ "time.every=5s", NULL },
	{ " time . every = 5s ", NULL },
	{ "house.label=a=b", NULL },
	{ "note.x=y", NULL },
	{ "door.my.door.height=3", NULL },
	{ "time.every=1x",
		"-o time.every = 1x: not a duration from 100ms to 1d; the unit is not known: "
		"write 1s, 1min or 1h\n" },
	{ "time.evry=1s", "-o time.evry: unknown key; did you mean `every`?\n" },
	{ "tim.every=1s", "-o [tim]: unknown section; did you mean [time]?\n" },
	{ "every=1s", "-o every=1s: not of the form section.key=value\n" },
	{ "time.every", "-o time.every: not of the form section.key=value\n" },
	{ ".every=1s", "-o .every=1s: not of the form section.key=value\n" },
	{ "", "-o : not of the form section.key=value\n" },
	{ "door.height=3", "-o [door]: a name is missing: [door NAME]\n" },
	{ "door.a/b.height=3", "-o [door a/b]: not a name of a door: without /\n" },
	{ "house.x.label=3", "-o [house x]: section [house] has no name\n" },
	{ "house.label=a #b",
		"-o house.label=a #b: not a value a file could hold (control characters, ' #', "
		"' ;')\n" },
	{ "house.label=a\nb",
		"-o house.label=a?b: not a value a file could hold (control characters, ' #', "
		"' ;')\n" },
};

TEST(options_override)
{
	struct house house = { 0 };

	conf_defaults(&table, &house);
	for (size_t i = 0; i < ARRAY_SIZE(overrides); i++) {
		complaints[0] = '\0';
		CHECK_INT(conf_override(&table, &house, overrides[i].text, collect, complaints),
			overrides[i].want ? -EINVAL : 0);
		CHECK_STR(complaints, overrides[i].want ? overrides[i].want : "");
	}
	CHECK_INT(house.every, 5000000);
	CHECK_STR(house.label, "a=b");
	CHECK_STR(house.notes[0], "x = y");
	CHECK_STR(house.doors[0].name, "my.door");
	CHECK_INT(house.doors[0].height, 3);
}

static void dump(struct house *house, char text[static 4096], bool json)
{
	FILE *out = fmemopen(text, 4096, "w");

	CHECK_INT(json ? conf_dump_json(&table, house, out) : conf_dump(&table, house, out), 0);
	fclose(out);
}

TEST(dump_reads_back)
{
	char first[4096] = "", second[4096] = "";
	struct house house;

	CHECK_INT(load(&house,
			  "[time]\nevery=2s\n[house]\nsize=10%\ncount=-5\nangle=0.3\n"
			  "colour=green\nlit=1\nlabel= x = #y\n[note]\na=b\n[door one]\n"
			  "[door two]\nheight=7\nopen=off\n"),
		0);
	dump(&house, first, false);
	CHECK_INT(load(&house, first), 0);
	CHECK_STR(complaints, "");
	dump(&house, second, false);
	CHECK_STR(second, first);
	CHECK(strstr(first, "[time]\n# Help text (a duration from 100ms to 1d)\nevery = 2s\n"));
	CHECK(strstr(first, "\nsize = 10%\n"));
	CHECK(strstr(first, "\n\n[door two]\n"));
	CHECK(strstr(first, "\nlit = yes\n"));
	CHECK(strstr(first, "\na = b\n"));
}

TEST(dump_as_json)
{
	char text[4096] = "";
	struct house house;

	CHECK_INT(load(&house, "[note]\na=b c\n[door one]\n[door two]\nheight=7\n"), 0);
	dump(&house, text, true);
	for (char *from = text, *to = text; (*to = *from); from++)
		to += *from != '\n' && *from != ' ';
	CHECK_STR(text,
		"{\"time\":{\"every\":\"1min30s\"},\"house\":{\"size\":\"5%\",\"count\":"
		"\"3\",\"angle\":\"0.1\",\"colour\":\"red\",\"lit\":\"no\",\"label\":\"\","
		"\"path\":\"/tmp\"},\"note\":{\"a\":\"bc\"},\"door\":{\"one\":{\"height\":"
		"\"200\",\"open\":\"yes\"},\"two\":{\"height\":\"7\",\"open\":\"yes\"}}}");
}

TEST(near_words)
{
	CHECK(conf_is_near("evry", "every"));
	CHECK(conf_is_near("eveyr", "every"));
	CHECK(conf_is_near("qualty", "quality"));
	CHECK(conf_is_near("ofset", "offset"));
	CHECK(!conf_is_near("fps", "days"));
	CHECK(!conf_is_near("x", "xy"));
	CHECK(!conf_is_near("", "key"));
	CHECK(!conf_is_near("this_word_is_longer_than_the_table", "key"));
}
