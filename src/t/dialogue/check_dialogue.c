/* check_dialogue.c: every script of this directory, in pieces of several sizes. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "base/alloc.h"
#include "base/str.h"
#include "t/dialogue/dialogue.h"
#include "t/unit/suites.h"

#define DIALOGUES "src/t/dialogue"

static char **names;
static size_t nnames;

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Found when the suite is made; the tests run in children that inherit the list. */
static void
find(void)
{
	DIR *d = opendir(DIALOGUES);
	const struct dirent *e;
	size_t cap = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (!str_ends_i(e->d_name, ".txt"))
			continue;
		names = xgrow(names, nnames, &cap, sizeof(*names));
		names[nnames++] = xstrdup(e->d_name);
	}
	if (d != NULL)
		closedir(d);
	if (nnames > 0)
		qsort(names, nnames, sizeof(*names), compare);
}

START_TEST(a_dialogue)
{
	static const size_t chunks[] = {1, 4, 16, 64, 4096};
	char path[512], why[2048];

	snprintf(path, sizeof(path), DIALOGUES "/%s", names[_i]);
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
		if (!dialogue_run(path, chunks[i], why, sizeof(why)))
			ck_abort_msg("%s", why);
}
END_TEST

START_TEST(the_scripts_are_there)
{
	ck_assert_msg(nnames > 0, "no script in " DIALOGUES ": run me from the top directory");
}
END_TEST

/* The runner itself must be able to fail. */
START_TEST(a_script_that_lies_is_found_out)
{
	static const char *const lies[] = {
	    "S: 220 x\nC: EHLO other.example\n",
	    "S: 220 x\n",
	    "C: EHLO client.example\n",
	    "E: ready\n",
	    "S: 220 x\nC: EHLO client.example\nS: 250 x\nE: ready\nE: ready\n",
	    "S: 220 x\nC: EHLO client.example\nS: 250 x\n",
	    "S: 421 x\nE: close retry host 421 4.0.0 y\n",
	    "patience 7\n",
	    "wants yes\n",
	    "doing nothing\n",
	    "nonsense\n",
	    "traced > EHLO client.example\n",
	    "option nonsense\n",
	    "option tls perhaps\n",
	    /* what is to be hidden, seen */
	    "option auth bob s3cret\nS: 220 s3cret\nC: EHLO client.example\n",
	    "option auth bob s3cret\nS: 220 czNjcmV0\nC: EHLO client.example\n",
	};
	char path[] = "/tmp/dialogue.XXXXXX", why[2048];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		FILE *f = fopen(path, "w");

		ck_assert_ptr_nonnull(f);
		fputs(lies[i], f);
		fclose(f);
		ck_assert_msg(!dialogue_run(path, 4096, why, sizeof(why)), "lie %zu passed", i);
	}
	remove(path);
}
END_TEST

Suite *
suite_dialogue(void)
{
	Suite *s = suite_create("dialogue");
	TCase *tc = tcase_create("dialogue");

	if (nnames == 0)
		find();
	tcase_add_test(tc, the_scripts_are_there);
	tcase_add_test(tc, a_script_that_lies_is_found_out);
	tcase_add_loop_test(tc, a_dialogue, 0, (int)nnames);
	suite_add_tcase(s, tc);
	return s;
}
