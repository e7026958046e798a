/* SPDX-License-Identifier: MIT */
/* Which archives viewpi finds without settings, and by them. */
#include "tests/unit/archive_kit.h"
#include "tests/unit/man_page.h"
#include "view/settings/places.h"

static void write_settings(const char *program, const char *text)
{
	char path[200], name[32];

	snprintf(path, sizeof(path), "%s/%s", getenv("XDG_CONFIG_HOME"), program);
	CHECK_INT(fs_make_folders(path, 0755), 0);
	snprintf(name, sizeof(name), "%s.conf", program);
	kit_write(path, name, text, strlen(text), O_TRUNC);
}

static struct places *find(const char *text)
{
	CLEANUP_FREE struct view_settings *settings = calloc(1, sizeof(*settings));
	struct places *places = NULL;

	conf_defaults(&view_settings_table, settings);
	CHECK(conf_load_text(
		      &view_settings_table, settings, "test", text, strlen(text), NULL, NULL) >= 0);
	CHECK_INT(places_find(settings, &places), 0);
	return places;
}

TEST(found)
{
	CLEANUP_FREE struct places *places = NULL;
	char home[64], path[200];

	test_make_folder(home);
	setenv("HOME", home, 1);
	snprintf(path, sizeof(path), "%s/config", home);
	setenv("XDG_CONFIG_HOME", path, 1);
	places = find("");
	CHECK_INT(places->n, 0);
	free(places);

	snprintf(path, sizeof(path), "%s/captures", home);
	kit_publish_some(path, 1);
	/* lines of others are passed over, and so are mistakes */
	write_settings("pullpi",
		"[camera gate]\nhost = x\nstale_after = 1h\n[camera roof]\narchive = "
		"/srv/roof\nnonsense\n");
	places = find("[camera the shed]\narchive = /srv/shed\n[camera ../x]\n");
	CHECK_INT(places->n, 4);
	CHECK_STR(places->list[0].name, "garden"); /* the archive's own name */
	CHECK_STR(places->list[0].path, path);
	CHECK(!places->list[0].copy);
	CHECK_STR(places->list[1].name, "gate");
	snprintf(path, sizeof(path), "%s/pulled/gate", home);
	CHECK_STR(places->list[1].path, path);
	CHECK(places->list[1].copy);
	CHECK_INT(places->list[1].stale_after_us, INT64_C(3600000000));
	CHECK_STR(places->list[2].path, "/srv/roof");
	CHECK_STR(places->list[3].url, "the%20shed");
	CHECK(places_get(places, "gate") == &places->list[1]);
	CHECK(!places_get(places, "nobody"));
}

TEST(man_page)
{
	check_man_page(&view_settings_table, SOURCE_ROOT "/view/viewpi.conf.5.scd");
}
