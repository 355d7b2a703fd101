/*
 * testsubmit.c: a submission from a text, and what of it is in the spool afterwards.
 */
#include "testsubmit.h"

#include <check.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "fault.h"
#include "logcap.h"
#include "testspool.h"

struct testsubmit ts;

char *ts_one_recipient[] = {(char[]){"bob@example.net"}, NULL};

static long long
fixed_wall_ns(void)
{
	return 1795500600LL * 1000000000; /* 2026-11-24 06:10:00 UTC */
}

void
ts_setup(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	logcap_start();
	ts.sp = testspool_open();
	sys.wall_ns = fixed_wall_ns;
	ts.o = (struct submit_options){.hostname = "mx.example.org",
	    .domain = "example.org",
	    .login = "alice",
	    .gecos = "Alice Adams,Room 1,,",
	    .uid = 1000,
	    .source = "cron",
	    .recipients = ts_one_recipient,
	    .nrecipients = 1};
	envelope_init(&ts.e);
}

void
ts_teardown(void)
{
	fault_disarm();
	sys = sys_libc;
	free(ts.message);
	ts.message = NULL;
	envelope_free(&ts.e);
	testspool_close(&ts.sp);
	logcap_stop();
	submit_stop = 0;
}

size_t
ts_longest_line(const char *text)
{
	size_t longest = 0, n = 0;

	for (const char *p = text; *p != '\0'; p++) {
		n = *p == '\n' ? 0 : *p == '\r' ? n : n + 1;
		longest = n > longest ? n : longest;
	}
	return longest;
}

bool
ts_starts(const char *text, const char *want)
{
	return strncmp(text, want, strlen(want)) == 0;
}

/* --- running it --- */

void
ts_load(void)
{
	const char *p;

	envelope_free(&ts.e);
	envelope_init(&ts.e);
	testspool_load(ts.sp, ts.id, &ts.e);
	free(ts.message);
	ts.message = testspool_body(ts.sp, ts.id, &ts.nmessage);
	ck_assert_uint_eq(ts.e.size, ts.nmessage);
	ck_assert(ts_starts(ts.message, "Received: by "));
	p = ts.message;
	do
		p = strstr(p, "\r\n") + 2;
	while (*p == '\t');
	ts.rest = p;
}

int
ts_run_bytes(const char *text, size_t n)
{
	FILE *f = tmpfile();
	int rc;

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	rewind(f);
	ts.o.input = fileno(f);
	ts.why[0] = ts.id[0] = '\0';
	rc = submit(ts.sp, &ts.o, ts.id, ts.why, sizeof(ts.why));
	fclose(f);
	if (rc == 0)
		ts_load();
	return rc;
}

int
ts_run(const char *text)
{
	return ts_run_bytes(text, strlen(text));
}

/* Taken, and this is behind the Received field. */
void
ts_gives(const char *text, const char *want)
{
	int rc = ts_run(text);

	ck_assert_msg(rc == 0, "%s: %s", text, ts.why);
	ck_assert_str_eq(ts.rest, want);
}

/* Refused with this code and these words, and nothing is left anywhere in the spool. */
void
ts_refuses(const char *text, int rc, const char *words)
{
	size_t before = testspool_count(ts.sp);
	int got = ts_run(text);

	ck_assert_msg(got == rc, "%d: %s", got, ts.why);
	ck_assert_msg(strstr(ts.why, words) != NULL, "%s", ts.why);
	ck_assert(strchr(ts.why, '\n') == NULL);
	ck_assert_uint_eq(testspool_count(ts.sp), before);
}

size_t
ts_files_in(const char *sub)
{
	char path[512];
	struct dirent *entry;
	size_t n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", spool_path(ts.sp), sub);
	d = opendir(path);
	ck_assert_ptr_nonnull(d);
	while ((entry = readdir(d)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

const char *
ts_recipients(void)
{
	static char text[2000];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < ts.e.nrcpts && n < sizeof(text); i++)
		n += (size_t)snprintf(
		    text + n, sizeof(text) - n, "%s%s", i > 0 ? " " : "", ts.e.rcpts[i].address);
	return text;
}
