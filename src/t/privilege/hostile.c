/*
 * A user who starts the program in the worst of circumstances: his own mail is queued whole or not at
 * all, and what he has prepared is not looked at.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "t/privilege/users.h"
#include "whole.h"

static void
nothing_is_left(void)
{
	ck_assert_uint_eq(files_in("ctl") + files_in("msg") + files_in("tmp"), 0);
}

/* --- environment -------------------------------------------------------------------------- */

static char trap[100], written[100];

/* A FIFO that nobody writes to: whoever opens it stands still. */
static void
set_trap(void)
{
	snprintf(trap, sizeof(trap), "%.60s/trap", kit.dir);
	snprintf(written, sizeof(written), "%.60s/log/written", kit.dir);
	if (access(trap, F_OK) == -1)
		ck_assert_int_eq(mkfifo(trap, 0666), 0);
	ck_assert_int_eq(chmod(trap, 0666), 0);
}

static void
point_everything_at_the_trap(void)
{
	static const char *const readers[] = {"LD_PRELOAD", "LD_AUDIT", "SSL_CERT_FILE",
	    "OPENSSL_CONF", "CTLOG_FILE", "HOSTALIASES", "RESOLV_CONF", "TZ", "GETCONF_DIR",
	    "LOCPATH", "NLSPATH", "SSLKEYLOGFILE", "MALLOC_TRACE", "RES_OPTIONS", "LOCALDOMAIN"};
	static const char *const folders[] = {"LD_LIBRARY_PATH", "SSL_CERT_DIR", "OPENSSL_MODULES",
	    "OPENSSL_ENGINES", "TMPDIR", "TZDIR", "HOME", "GCONV_PATH"};

	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		setenv(readers[i], trap, 1);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		setenv(folders[i], "/nonexistent", 1);
	setenv("MALLOC_TRACE", written, 1);
	setenv("SSLKEYLOGFILE", written, 1);
	as_ann();
}

START_TEST(environment_is_not_obeyed)
{
	static struct child c;
	int listener = relay("tls may"), fd;

	set_trap();
	start(&c, point_everything_at_the_trap, "sendmail", "-odi", "x@example.net", NULL);
	child_feed(&c, HELLO);
	child_end_of_input(&c);
	fd = server_accept(listener);
	server_greet(fd);
	server_take(fd);
	ck_assert_int_eq(child_end(&c), 0);
	ck_assert_int_eq(access(written, F_OK), -1);
}
END_TEST

/* The C library has no say here, and OpenSSL reads its configuration where the environment says. */
START_TEST(roots_environment_is_not_obeyed)
{
	set_trap();
	setenv("OPENSSL_CONF", trap, 1);
	setenv("TZ", trap, 1);
	kit_copy_program();
	ck_assert_int_eq(command(NULL, "", "sortie", "-q", NULL), 0);
	kit_remove_program();
}
END_TEST

/* --- descriptors, umask ------------------------------------------------------------------- */

static void
without_outputs(void)
{
	close(1);
	close(2);
	as_ann();
}

static void
without_anything(void)
{
	close(0);
	close(1);
	close(2);
	as_ann();
}

START_TEST(closed_outputs_do_no_harm)
{
	ck_assert_int_eq(
	    command(without_outputs, HELLO, "sendmail", "-odq", "x@example.net", NULL), 0);
	ck_assert_uint_eq(files_in("ctl"), 1);
	ck_assert_int_eq(command(without_outputs, HELLO, "sendmail", "-odq", NULL), EX_USAGE);
	spool_is_the_owners();
}
END_TEST

START_TEST(closed_input_queues_nothing)
{
	ck_assert_int_eq(
	    command(without_anything, "", "sendmail", "-odq", "x@example.net", NULL), EX_NOINPUT);
	nothing_is_left();
}
END_TEST

static void
umask_0(void)
{
	umask(0);
	as_ann();
}

static void
umask_0777(void)
{
	umask(0777);
	as_ann();
}

START_TEST(modes_whatever_the_umask)
{
	int listener = relay(""), fd;

	ck_assert_int_eq(
	    command(_i == 0 ? umask_0 : umask_0777, HELLO, "sendmail", "x@example.net", NULL), 0);
	fd = server_accept(listener);
	server_greet(fd);
	spool_is_the_owners();
	server_take(fd);
	close(fd);
	WAIT_FOR(files_in("msg") == 0);
	spool_is_the_owners();
}
END_TEST

/* --- limits ------------------------------------------------------------------------------- */

static void
limit(int what, rlim_t soft, rlim_t hard)
{
	const struct rlimit rl = {soft, hard};

	if (setrlimit(what, &rl) != 0)
		_exit(125);
}

static void
no_files_at_all(void)
{
	limit(RLIMIT_FSIZE, 0, 0);
	as_ann();
}

/* One line says why. */
START_TEST(no_file_size_queues_nothing)
{
	if (_i == 1) /* a spool that is complete already */
		ck_assert_int_eq(command(NULL, "", "sortie", "-q", NULL), 0);
	ck_assert_int_eq(command(no_files_at_all, HELLO, "sendmail", "-odq", "x@example.net", NULL),
	    EX_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(output, "sortie: "));
	ck_assert_ptr_eq(strchr(output, '\n'), output + strlen(output) - 1);
	nothing_is_left();
}
END_TEST

static void
soft_limits(void)
{
	static const int limits[] = {RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_CPU, RLIMIT_NPROC};
	static const rlim_t soft[] = {0, 8, 1, 0};
	struct rlimit rl;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (getrlimit(limits[i], &rl) == 0)
			limit(limits[i], soft[i], rl.rlim_max);
	as_ann();
}

START_TEST(soft_limits_are_no_matter)
{
	int listener = relay(""), fd;

	ck_assert_int_eq(command(soft_limits, HELLO, "sendmail", "x@example.net", NULL), 0);
	fd = server_accept(listener);
	server_greet(fd);
	server_take(fd);
	close(fd);
	WAIT_FOR(files_in("msg") == 0);
	ck_assert_uint_eq(count_text(kit.log, "warning"), 0);
}
END_TEST

static void
eight_files(void)
{
	limit(RLIMIT_NOFILE, 8, 8);
	as_ann();
}

START_TEST(few_descriptors_queue_it_whole_or_not)
{
	int rc = command(eight_files, HELLO, "sendmail", "-odq", "x@example.net", NULL);

	ck_assert(rc == 0 || rc == EX_TEMPFAIL);
	if (rc == 0)
		ck_assert_uint_eq(files_in("ctl"), 1);
	else
		nothing_is_left();
}
END_TEST

/* --- the suite ---------------------------------------------------------------------------- */

Suite *
suite_hostile(void)
{
	const TTest *const tests[] = {environment_is_not_obeyed, roots_environment_is_not_obeyed,
	    closed_outputs_do_no_harm, closed_input_queues_nothing, soft_limits_are_no_matter,
	    few_descriptors_queue_it_whole_or_not};
	Suite *s = users_suite("hostile", tests, sizeof(tests) / sizeof(tests[0]));

	users_loop(s, modes_whatever_the_umask, 2);
	users_loop(s, no_file_size_queues_nothing, 2);
	return s;
}
