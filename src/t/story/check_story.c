/*
 * check_story.c: every file of src/t/story/ that ends in .txt is a test. One alone:
 *
 *	build/check story null_mx
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "t/story/story.h"
#include "t/unit/suites.h"

#define STORIES "src/t/story"

static char **paths;
static size_t npaths;

START_TEST(story)
{
	story_run(paths[_i]);
}
END_TEST

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
find_stories(void)
{
	DIR *d = opendir(STORIES);
	size_t cap = 0;

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char path[512];

		if (e->d_name[0] == '.' || !str_ends_i(e->d_name, ".txt"))
			continue;
		snprintf(path, sizeof(path), STORIES "/%s", e->d_name);
		paths = xgrow(paths, npaths, &cap, sizeof(*paths));
		paths[npaths++] = xstrdup(path);
	}
	if (d != NULL)
		closedir(d);
	if (npaths > 0)
		qsort(paths, npaths, sizeof(*paths), by_name);
}

Suite *
suite_story(void)
{
	Suite *s = suite_create("story");

	find_stories();
	for (size_t i = 0; i < npaths; i++) {
		char *name = xstrdup(strrchr(paths[i], '/') + 1); /* Check keeps the pointer */
		TCase *tc;

		name[strlen(name) - 4] = '\0';
		tc = tcase_create(name);
		tcase_set_timeout(tc, 20);
		tcase_add_loop_test(tc, story, (int)i, (int)i + 1);
		suite_add_tcase(s, tc);
	}
	return s;
}
