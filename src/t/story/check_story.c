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

/* A story's path, and its name, which Check keeps a pointer to. */
static struct story_file {
	char *path, *name;
} * stories;
static size_t nstories;

START_TEST(story)
{
	story_run(stories[_i].path);
}
END_TEST

static int
by_name(const void *a, const void *b)
{
	const struct story_file *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
find_stories(void)
{
	DIR *d = opendir(STORIES);
	size_t cap = 0;

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		struct story_file *f;
		char path[512];

		if (e->d_name[0] == '.' || !str_ends_i(e->d_name, ".txt"))
			continue;
		snprintf(path, sizeof(path), STORIES "/%s", e->d_name);
		stories = xgrow(stories, nstories, &cap, sizeof(*stories));
		f = &stories[nstories++];
		f->path = xstrdup(path);
		f->name = xstrndup(e->d_name, strlen(e->d_name) - 4);
	}
	if (d != NULL)
		closedir(d);
	if (nstories > 0)
		qsort(stories, nstories, sizeof(*stories), by_name);
}

Suite *
suite_story(void)
{
	Suite *s = suite_create("story");

	find_stories();
	for (size_t i = 0; i < nstories; i++) {
		TCase *tc = tcase_create(stories[i].name);

		tcase_set_timeout(tc, 20);
		tcase_add_loop_test(tc, story, (int)i, (int)i + 1);
		suite_add_tcase(s, tc);
	}
	return s;
}
