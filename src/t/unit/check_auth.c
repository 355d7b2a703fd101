#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth.h"
#include "auth_file.h"
#include "base/str.h"
#include "base/sys.h"
#include "logcap.h"
#include "suites.h"
#include "vclock.h"

/* --- the file's form --- */

static char text[AUTH_FILE_MAX + 1], why[VERDICT_TEXT_MAX];
static struct auth_entry e;

static int
find(const char *content, const char *host, unsigned port, const char *user)
{
	const struct auth_want w = {.host = host, .port = port, .user = user};
	struct auth_text t = {.text = text, .n = strlen(content)};

	memcpy(text, content, t.n + 1);
	memset(&e, 0, sizeof(e));
	why[0] = '\0';
	return auth_file_find("auth", &t, &w, &e, why, sizeof(why));
}

START_TEST(one_line_is_enough)
{
	const char *content = "machine smtp.example.com login me@example.com password s3cret\n";

	ck_assert_int_eq(find(content, "SMTP.example.com", 587, NULL), 1);
	ck_assert_str_eq(e.user, "me@example.com");
	ck_assert_str_eq(e.secret, "s3cret");
	ck_assert(!e.token && !e.external);
	ck_assert_ptr_null(e.command);
	ck_assert_int_eq(e.line, 1);
	ck_assert_int_eq(find(content, "smtp.example.com", 587, "me@example.com"), 1);
	ck_assert_int_eq(find(content, "smtp.example.com", 587, "Me@example.com"), 0);
	ck_assert_int_eq(find(content, "example.com", 587, NULL), 0);
	/* without a newline at the end */
	ck_assert_int_eq(find("machine a login b password c", "a", 25, "b"), 1);
	ck_assert_str_eq(e.secret, "c");
	ck_assert_int_eq(find("", "a", 25, NULL), 0);
	ck_assert_int_eq(find("\n\n# nothing", "a", 25, NULL), 0);
}
END_TEST

START_TEST(many_entries_in_many_lines)
{
	const char *content = "# ours\r\n"
			      "machine a port 465 login one password p1\r\n"
			      "\tmachine a\n\n  port 587 # submission\n login two\n password p2\n"
			      "machine a login three password p3 account x\n"
			      "default login four token t4\ndefault login five token t5\n"
			      "MACHINE b LOGIN five Password p5 mechanism PLAIN\n"
			      "machine c external machine d login me external";

	ck_assert_int_eq(find(content, "a", 465, NULL), 1);
	ck_assert_str_eq(e.user, "one");
	ck_assert_int_eq(find(content, "a", 587, NULL), 1);
	ck_assert_str_eq(e.user, "two");
	ck_assert_str_eq(e.secret, "p2");
	ck_assert_int_eq(e.line, 3);
	ck_assert_int_eq(find(content, "a", 25, NULL), 1);
	ck_assert_str_eq(e.user, "three");
	ck_assert_int_eq(find(content, "a", 587, "three"), 1);
	ck_assert_str_eq(e.secret, "p3");
	ck_assert_int_eq(find(content, "z", 25, NULL), 1);
	ck_assert_str_eq(e.user, "four");
	ck_assert(e.token);
	ck_assert_int_eq(find(content, "z", 25, "nobody"), 0);
	/* default is for those that no machine is for, wherever it stands */
	ck_assert_int_eq(find(content, "b", 25, NULL), 1);
	ck_assert_str_eq(e.user, "five");
	ck_assert_str_eq(e.mechanism, "PLAIN");
	ck_assert_int_eq(find(content, "c", 25, "me"), 1);
	ck_assert(e.external);
	ck_assert_ptr_null(e.user);
	ck_assert_int_eq(find(content, "d", 25, "me"), 1);
	ck_assert_str_eq(e.user, "me");
}
END_TEST

START_TEST(values_with_blanks_and_signs)
{
	ck_assert_int_eq(
	    find("machine a login \"my name\" password \"a \\\"b\\\\c # d\" # e\n", "a", 1, NULL),
	    1);
	ck_assert_str_eq(e.user, "my name");
	ck_assert_str_eq(e.secret, "a \"b\\c # d");
	/* where a value must stand, a # is its first character */
	ck_assert_int_eq(find("machine a login b password #1\\x\"y\n", "a", 1, NULL), 1);
	ck_assert_str_eq(e.secret, "#1\\x\"y");
	ck_assert_int_eq(find("machine a login b password \"p\"\nmachine c login d password \"q\"",
			     "c", 1, NULL),
	    1);
	ck_assert_str_eq(e.secret, "q");
	ck_assert_int_eq(e.line, 2);
	ck_assert_int_eq(
	    find("machine a login b command \"/bin/pass show \\\"my mail\\\"\"\n", "a", 1, NULL),
	    1);
	ck_assert_str_eq(e.command, "/bin/pass show \"my mail\"");
	ck_assert(!e.token);
	ck_assert_int_eq(find("machine a login b token-command /bin/t\n", "a", 1, NULL), 1);
	ck_assert_str_eq(e.command, "/bin/t");
	ck_assert(e.token);
}
END_TEST

/* SECRET stands where a password would, or a piece of one. */
static const struct {
	const char *content, *why;
} mistakes[] = {
    {"machine a login b password my SECRET\n", "auth:1: an unknown keyword"},
    {"SECRET", "auth:1: does not begin"},
    {"\n\nlogin SECRET\n", "auth:3: does not begin"},
    {"machine a login b password\nmachine SECRET login d password e\n",
	"auth:1: a keyword without its value"},
    {"machine a login b password \t\nmachine SECRET login d password e\n",
	"auth:1: a keyword without its value"},
    {"machine a login b password # a comment is not a value\nSECRET", "auth:1: an unknown"},
    {"machine a login b password", "auth:1: a keyword without its value"},
    {"machine", "auth:1: a keyword without"},
    {"machine a", "auth:1: no password"},
    {"\nmachine a login b\nmachine SECRET login d password e", "auth:2: no password"},
    {"machine a login b password \"SECRET\n", "auth:1: a \" without"},
    {"machine a login b password \"SECRET", "auth:1: a \" without"},
    {"machine a login b password \"SECRET\\\"", "auth:1: a \" without"},
    {"machine a login b password \"SECRET\\", "auth:1: a \" without"},
    {"machine a login b password \"x\"SECRET\n", "auth:1: something right behind"},
    {"machine a login b password \"\"", "auth:1: an empty value"},
    {"machine a login b password SECRET password c", "auth:1: the same thing twice"},
    {"machine a login b password SECRET token c", "auth:1: the same thing twice"},
    {"machine a login b login SECRET password c", "auth:1: the same thing twice"},
    {"machine a login b password SECRET command /bin/c", "auth:1: a secret and a command"},
    {"machine a login b command \"SECRET c\"",
	"auth:1: the command is not given by its absolute path"},
    {"machine a login b command \"/bin/SECRET 'c\"", "auth:1: the command has a quote"},
    {"machine a login b command \"  \"", "auth:1: the command has a quote"},
    {"machine a port 0 login b password SECRET", "auth:1: port is"},
    {"machine a port 65536 login b password SECRET", "auth:1: port is"},
    {"machine a port SECRET login b password c", "auth:1: port is"},
    {"machine a login b password c\n\n\nmachine d login e pasword SECRET", "auth:4: an unknown"},
    {"macdef SECRET", "auth:1: does not begin"},
};

START_TEST(mistakes_are_named_but_not_shown)
{
	ck_assert_int_eq(find(mistakes[_i].content, "a", 25, NULL), -1);
	ck_assert_msg(str_starts(why, mistakes[_i].why), "%s", why);
	ck_assert_msg(
	    !str_has_i(why, "SECRET") || str_has_i(mistakes[_i].why, "secret"), "%s", why);
	ck_assert_ptr_null(strstr(why, "SECRET"));
}
END_TEST

START_TEST(a_nul_is_not_text)
{
	struct auth_text t = {.text = text, .n = 40};
	const struct auth_want w = {.host = "a"};

	memcpy(text, "machine a login b password c\0\nmachine d  ", 41);
	ck_assert_int_eq(auth_file_find("auth", &t, &w, &e, why, sizeof(why)), -1);
	ck_assert_str_eq(why, "auth:1: not a text file");
}
END_TEST

START_TEST(command_lines_are_split_without_a_shell)
{
	char line[256], *argv[5];

	str_copy(line, sizeof(line), "/bin/x  'a b'\t\"c \\\"d\\\" $HOME\" e\\ f'g'\"h\"");
	ck_assert_uint_eq(auth_split(line, argv, 5), 4);
	ck_assert_str_eq(argv[0], "/bin/x");
	ck_assert_str_eq(argv[1], "a b");
	ck_assert_str_eq(argv[2], "c \"d\" $HOME");
	ck_assert_str_eq(argv[3], "e fgh");
	ck_assert_ptr_null(argv[4]);
	str_copy(line, sizeof(line), "a '' \\");
	ck_assert_uint_eq(auth_split(line, argv, 5), 3);
	ck_assert_str_eq(argv[1], "");
	ck_assert_str_eq(argv[2], "\\");
	str_copy(line, sizeof(line), "a b c d e");
	ck_assert_uint_eq(auth_split(line, argv, 5), 0);
	str_copy(line, sizeof(line), "a 'b");
	ck_assert_uint_eq(auth_split(line, argv, 5), 0);
	str_copy(line, sizeof(line), "a \"b'");
	ck_assert_uint_eq(auth_split(line, argv, 5), 0);
	str_copy(line, sizeof(line), " ");
	ck_assert_uint_eq(auth_split(line, argv, 5), 0);
}
END_TEST

/* --- lookups --- */

static struct reactor *r;
static struct auth *a;
static struct auth_query q[3];
static char dir[32], path[64];
static struct timer guard; /* so that a test that fails does not wait for ever */

static struct answer {
	int count;
	bool found, failed;
	char user[64], secret[8193], text[VERDICT_TEXT_MAX];
	struct sasl_credentials c;
} got[3];

static void
on_answer(void *ctx, const struct sasl_credentials *c, const struct verdict *v)
{
	struct answer *g = ctx;

	g->count++;
	g->found = c != NULL;
	g->failed = v != NULL;
	ck_assert(!(c != NULL && v != NULL));
	if (c != NULL) {
		g->c = *c;
		str_copy(g->user, sizeof(g->user), c->user != NULL ? c->user : "(none)");
		str_copy(g->secret, sizeof(g->secret), c->secret != NULL ? c->secret : "(none)");
	}
	if (v != NULL) {
		ck_assert_int_eq(v->fate, FATE_RETRY);
		ck_assert_int_eq(v->scope, SCOPE_ROUTE);
		ck_assert_str_eq(v->enhanced, "4.7.8");
		str_copy(g->text, sizeof(g->text), v->text);
	}
}

static void
on_guard(void *ctx)
{
	(void)ctx;
	ck_abort_msg("nothing happened");
}

static void
write_file(const char *name, mode_t mode, const char *content)
{
	int fd;

	unlink(name);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(write(fd, content, strlen(content)), (ssize_t)strlen(content));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	ck_assert_int_eq(close(fd), 0);
}

static void
begin(void)
{
	const struct auth_options o = {.path = path, .home = "/home/me", .user = "me"};

	a = auth_new(r, &o);
}

static void
setup(void)
{
	memcpy(dir, "/tmp/check_auth.XXXXXX", sizeof("/tmp/check_auth.XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/auth", dir);
	r = reactor_new();
	timer_init(&guard, on_guard, NULL);
	timer_arm(r, &guard, reactor_now(r) + 20000);
	memset(got, 0, sizeof(got));
	for (int i = 0; i < 3; i++)
		auth_query_init(&q[i]);
	logcap_start();
	begin();
}

static void
setup_virtual(void)
{
	vclock_install(1764000000);
	setup();
	timer_arm(r, &guard, reactor_now(r) + 200000);
}

static void
teardown(void)
{
	for (int i = 0; i < 3; i++) {
		auth_release(&q[i]);
		auth_release(&q[i]);
	}
	auth_free(&a);
	auth_free(&a);
	timer_disarm(r, &guard);
	ck_assert(!reactor_turn(r)); /* nothing is left in it */
	ck_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	reactor_free(&r);
	unlink(path);
	rmdir(dir);
	sys = sys_libc;
	ck_assert_str_eq(logcap_text(), "");
	ck_assert_str_eq(logcap_trace(), "");
	logcap_stop();
}

static void
ask(int i, const char *host, const char *user)
{
	int before = got[i].count;

	auth_lookup(a, &q[i], host, 587, user, on_answer, &got[i]);
	ck_assert_int_eq(got[i].count, before);
}

static struct answer *
wait_for(int i)
{
	while (got[i].count == 0)
		reactor_turn(r);
	ck_assert_int_eq(got[i].count, 1);
	got[i].count = 0;
	return &got[i];
}

static struct answer *
look_up(const char *host, const char *user)
{
	auth_release(&q[0]);
	ask(0, host, user);
	return wait_for(0);
}

static void
fails(const char *host, const char *user, const char *reason)
{
	struct answer *g = look_up(host, user);

	ck_assert(g->failed);
	ck_assert_msg(str_has_i(g->text, reason), "not \"%s\": %s", reason, g->text);
}

START_TEST(found_and_not_found)
{
	struct answer *g;

	write_file(path, 0600,
	    "machine a login me password s3cret mechanism PLAIN\nmachine b password p\nmachine c "
	    "external\n");
	g = look_up("a", NULL);
	ck_assert(g->found);
	ck_assert_str_eq(g->user, "me");
	ck_assert_str_eq(g->secret, "s3cret");
	ck_assert_str_eq(q[0].c.mechanism, "PLAIN");
	ck_assert_str_eq(q[0].c.host, "a");
	ck_assert_uint_eq(q[0].c.port, 587);
	g = look_up("b", "you");
	ck_assert_str_eq(g->user, "you");
	ck_assert_str_eq(g->secret, "p");
	g = look_up("c", NULL);
	ck_assert(g->found && g->c.external);
	ck_assert_str_eq(g->user, "(none)");
	g = look_up("d", NULL);
	ck_assert(!g->found && !g->failed);
	fails("d", "me", "no password for me at d in /tmp/");
	fails("b", NULL, "no login for b");
}
END_TEST

START_TEST(released_credentials_are_gone)
{
	write_file(path, 0600, "machine a login me password s3cret\n");
	look_up("a", NULL);
	ck_assert_uint_eq(q[0].size, sizeof("a") + sizeof("me") + sizeof("s3cret"));
	auth_release(&q[0]);
	ck_assert_ptr_null(q[0].memory);
	ck_assert_ptr_null(q[0].c.user);
	ck_assert_ptr_null(q[0].c.secret);
}
END_TEST

START_TEST(file_put_right_is_used_at_once)
{
	write_file(path, 0600, "machine a login me password wrong\n");
	ck_assert_str_eq(look_up("a", NULL)->secret, "wrong");
	write_file(path, 0600, "machine a login me password right\n");
	ck_assert_str_eq(look_up("a", NULL)->secret, "right");
	write_file(path, 0600, "machine a login me pasword typo\n");
	fails("a", NULL, "auth:1: an unknown keyword");
}
END_TEST

START_TEST(file_that_others_can_read)
{
	static const mode_t bad[] = {0640, 0604, 0620, 0602, 0610, 0666};
	char line[VERDICT_TEXT_MAX];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(path, bad[i], "machine a login me password s3cret\n");
		fails("a", NULL, "chmod 600");
		ck_assert_int_eq(auth_check(a, line, sizeof(line)), EX_CONFIG);
		ck_assert(str_starts(line, path) && str_has_i(line, "chmod 600"));
	}
	write_file(path, 0400, "machine a login me password s3cret\n");
	ck_assert(look_up("a", NULL)->found);
	ck_assert_int_eq(auth_check(a, line, sizeof(line)), 0);
}
END_TEST

static uid_t owner;

static int
owned_fstat(int fd, struct stat *st)
{
	int rc = fstat(fd, st);

	st->st_uid = owner;
	return rc;
}

START_TEST(file_of_somebody_else)
{
	write_file(path, 0600, "machine a login me password s3cret\n");
	sys.fstat = owned_fstat;
	owner = geteuid() + 1;
	fails("a", NULL, "somebody else");
	owner = 0;
	ck_assert(look_up("a", NULL)->found);
	owner = geteuid();
	ck_assert(look_up("a", NULL)->found);
}
END_TEST

START_TEST(file_that_is_none)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	fails("a", NULL, "not a file");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	fails("a", NULL, "not a file");
	ck_assert_int_eq(rmdir(path), 0);
	fails("a", NULL, "No such file");
	ck_assert_int_eq(auth_check(a, why, sizeof(why)), EX_CONFIG);
	write_file(path, 0600, "");
	ck_assert_int_eq(truncate(path, AUTH_FILE_MAX + 1), 0);
	fails("a", NULL, "too large");
}
END_TEST

static ssize_t
failing_read(int fd, void *buf, size_t n)
{
	(void)fd;
	(void)buf;
	(void)n;
	errno = EIO;
	return -1;
}

static int
forbidden_open(int at, const char *name, int flags, mode_t mode)
{
	(void)at;
	(void)name;
	(void)flags;
	(void)mode;
	errno = EACCES;
	return -1;
}

START_TEST(file_that_cannot_be_read)
{
	write_file(path, 0600, "machine a login me password s3cret\n");
	sys.read = failing_read;
	fails("a", NULL, "error");
	sys.openat = forbidden_open;
	fails("a", NULL, "chown it");
}
END_TEST

START_TEST(no_file_at_all)
{
	const struct auth_options none = {.path = NULL},
				  missing = {.path = path, .missing_ok = true};

	auth_free(&a);
	a = auth_new(r, &none);
	ck_assert_int_eq(auth_check(a, why, sizeof(why)), 0);
	ck_assert(!look_up("a", NULL)->failed);
	fails("a", "me", "no file of credentials");
	auth_release(&q[0]);
	auth_free(&a);
	a = auth_new(r, &missing);
	ck_assert_int_eq(auth_check(a, why, sizeof(why)), 0);
	ck_assert(!look_up("a", NULL)->failed);
	fails("a", "me", "no password for me");
}
END_TEST

START_TEST(all_of_the_file_is_checked_at_start)
{
	write_file(
	    path, 0600, "machine a login me password p\n\nmachine b login me command bin/x\n");
	ck_assert_int_eq(auth_check(a, why, sizeof(why)), EX_CONFIG);
	ck_assert(str_has_i(why, "auth:3: the command"));
}
END_TEST

START_TEST(cancelled_is_not_called)
{
	write_file(path, 0600, "machine a login me password p\n");
	ask(0, "a", NULL);
	ask(1, "a", NULL);
	auth_release(&q[0]);
	wait_for(1);
	ck_assert_int_eq(got[0].count, 0);
}
END_TEST

START_TEST(no_core_dump)
{
	struct rlimit l;

	ck_assert_int_eq(getrlimit(RLIMIT_CORE, &l), 0);
	ck_assert_uint_eq(l.rlim_cur, 0);
	ck_assert_uint_eq(l.rlim_max, 0);
}
END_TEST

/* --- commands --- */

/* The file says: for host a, the output of sh -c script. */
static void
use_script(const char *script)
{
	char content[8192];

	snprintf(
	    content, sizeof(content), "machine a login me command \"/bin/sh -c '%s'\"\n", script);
	write_file(path, 0600, content);
}

static const struct {
	const char *script, *secret;
} outputs[] = {
    {"echo s3cret", "s3cret"},
    {"printf s3cret", "s3cret"},
    {"printf %s:%s one two; echo; echo login: me; echo url: x", "one:two"},
    {"printf s3cret; printf \\\\\\\\r\\\\\\\\n", "s3cret"},
    {"echo oops >&2; echo s3cret", "s3cret"},
    {"echo s3; exec >&-; exit 0", "s3"},
    {"cat; echo s3cret", "s3cret"},
    {"pwd", "/"},
    {"echo $HOME $USER $LOGNAME $LANG", "/home/me me me C.UTF-8"},
    {"echo $PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    {"echo ${CHECK_AUTH_SECRET-unset}", "unset"},
    {"i=0; while [ $i -lt 4000 ]; do i=$((i+1)); echo line $i; done", "line 1"},
};

START_TEST(first_line_is_the_secret)
{
	int in[2], err[2], old_err = dup(2);
	struct answer *g;
	char c;

	/* what we have, and a command must not get */
	setenv("CHECK_AUTH_SECRET", "inherited", 1);
	ck_assert_int_eq(pipe(in), 0);
	ck_assert_int_eq(pipe(err), 0);
	ck_assert_int_eq(write(in[1], "inherited\n", 10), 10);
	close(in[1]);
	dup2(in[0], 0);
	dup2(err[1], 2);
	close(err[1]);
	use_script(outputs[_i].script);
	g = look_up("a", NULL);
	dup2(old_err, 2);
	ck_assert_int_eq(read(err[0], &c, 1), 0);
	ck_assert_msg(g->found, "%s", g->text);
	ck_assert_str_eq(g->secret, outputs[_i].secret);
	ck_assert_str_eq(g->user, "me");
	ck_assert_str_eq(q[0].c.host, "a");
}
END_TEST

/* A run that was taken over writes there. */
START_TEST(commands_have_no_home_in_the_spool)
{
	static const struct {
		const char *home, *spool, *want;
	} homes[] = {
	    {"", "", "/"},
	    {"/below", "", "/"},
	    {"/", "/.", "/"},
	    {"", "/below", NULL},
	    {"/below", "/bel", NULL},
	    {"/not-there", "/below", NULL},
	    {"/below/not-there", "/below", "/"},
	};

	for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++) {
		char home[64], spool[64], below[64];
		const struct auth_options o = {.path = path, .home = home, .spool = spool};

		snprintf(home, sizeof(home), "%s%s", dir, homes[i].home);
		snprintf(spool, sizeof(spool), "%s%s", dir, homes[i].spool);
		snprintf(below, sizeof(below), "%s/below", dir);
		mkdir(below, 0700);
		snprintf(below, sizeof(below), "%s/bel", dir);
		mkdir(below, 0700);
		use_script("echo $HOME");
		auth_free(&a);
		a = auth_new(r, &o);
		ck_assert_str_eq(
		    look_up("a", NULL)->secret, homes[i].want != NULL ? homes[i].want : home);
		auth_release(&q[0]);
		snprintf(below, sizeof(below), "%s/below", dir);
		rmdir(below);
		snprintf(below, sizeof(below), "%s/bel", dir);
		rmdir(below);
	}
}
END_TEST

START_TEST(what_commands_say_is_shown_where_told)
{
	const struct auth_options o = {.path = path, .show_errors = true};
	int err[2], old_err = dup(2);
	char said[16] = "";

	ck_assert_int_eq(pipe(err), 0);
	dup2(err[1], 2);
	close(err[1]);
	use_script("echo oops >&2; echo s3cret");
	auth_free(&a);
	a = auth_new(r, &o);
	look_up("a", NULL);
	dup2(old_err, 2);
	ck_assert_int_eq(read(err[0], said, sizeof(said) - 1), 5);
	ck_assert_str_eq(said, "oops\n");
}
END_TEST

static const struct {
	const char *script, *why;
} troubles[] = {
    {"exit 0", "printed nothing"},
    {"echo; echo s3cret", "empty first line"},
    {"echo s3cret; exit 3", "ended with status 3"},
    {"echo s3cret; kill -9 $$", "killed by signal 9"},
    {"printf s3cret; exec /nonexistent/s3cret", "status 127"},
    {"printf a\\\\\\\\000b", "not text"},
    {"i=0; while [ $i -lt 1200 ]; do i=$((i+1)); printf 12345678; done; sleep 100", "too long"},
    {"echo s3cret; while :; do echo 123456789012345678901234567890123456789012345678901234567890; "
     "done",
	"without end"},
};

START_TEST(commands_that_go_wrong)
{
	use_script(troubles[_i].script);
	fails("a", NULL, troubles[_i].why);
	ck_assert(str_has_i(got[0].text, "/bin/sh "));
	ck_assert(!str_has_i(got[0].text, "s3cret"));
}
END_TEST

START_TEST(command_that_is_not_there)
{
	write_file(path, 0600, "machine a login me command /nonexistent/pass\n");
	fails("a", NULL, "/nonexistent/pass was not found");
	write_file(path, 0600, "machine a login me command /etc/passwd\n");
	fails("a", NULL, "/etc/passwd cannot be executed");
}
END_TEST

static int
no_pair(void)
{
	struct rlimit l;
	int next = dup(0);

	close(next);
	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = (rlim_t)next + 1;
	return setrlimit(RLIMIT_NOFILE, &l);
}

START_TEST(command_that_cannot_be_started)
{
	struct rlimit l;

	write_file(path, 0600, "machine a login me command \"/bin/echo s3cret\"\n");
	getrlimit(RLIMIT_NOFILE, &l);
	ck_assert_int_eq(no_pair(), 0);
	ask(0, "a", NULL); /* the file can be read; then there is a descriptor too few */
	setrlimit(RLIMIT_NOFILE, &l);
	ck_assert(wait_for(0)->failed);
	ck_assert_msg(
	    str_has_i(got[0].text, "cannot be started: Too many open files"), "%s", got[0].text);
	ck_assert(auth_wants_helper(a));
	auth_new_run(a);
	ck_assert_str_eq(look_up("a", NULL)->secret, "s3cret");
}
END_TEST

/* How often it ran is in a file. */
static void
use_counter(void)
{
	char script[256];

	snprintf(script, sizeof(script), "echo x >>%s/count; wc -c <%s/count", dir, dir);
	use_script(script);
}

static void
remove_counter(void)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/count", dir);
	ck_assert_int_eq(unlink(name), 0);
}

START_TEST(command_runs_once_a_run)
{
	use_counter();
	ask(0, "a", NULL);
	ask(1, "a", NULL);
	ck_assert(str_has_i(wait_for(0)->secret, "2"));
	ck_assert(str_has_i(wait_for(1)->secret, "2"));
	ask(2, "a", "me");
	ck_assert(str_has_i(wait_for(2)->secret, "2"));
	auth_new_run(a);
	ck_assert(str_has_i(q[2].c.secret, "2")); /* what was handed out stays */
	ck_assert(str_has_i(look_up("a", NULL)->secret, "4"));
	remove_counter();
}
END_TEST

START_TEST(failed_command_is_not_run_again_in_this_run)
{
	char script[256];

	snprintf(script, sizeof(script), "echo x >>%s/count; exit $(wc -c <%s/count)", dir, dir);
	use_script(script);
	fails("a", NULL, "status 2");
	fails("a", NULL, "status 2");
	auth_new_run(a);
	fails("a", NULL, "status 4");
	remove_counter();
}
END_TEST

static void
on_answer_release_others(void *ctx, const struct sasl_credentials *c, const struct verdict *v)
{
	on_answer(ctx, c, v);
	auth_release(&q[0]);
	auth_release(&q[1]);
	ask(2, "a", NULL);
}

START_TEST(callback_that_releases_and_asks_again)
{
	use_script("echo s3cret");
	auth_lookup(a, &q[0], "a", 587, NULL, on_answer_release_others, &got[0]);
	ask(1, "a", NULL);
	wait_for(0);
	ck_assert_str_eq(wait_for(2)->secret, "s3cret");
	ck_assert_int_eq(got[1].count, 0);
}
END_TEST

START_TEST(command_in_a_group_of_its_own)
{
	use_script("kill -s 0 -- -$$ && echo leader");
	ck_assert_str_eq(look_up("a", NULL)->secret, "leader");
}
END_TEST

/* The process that runs commands is killed: what it ran is lost, and the next run has another. */
START_TEST(who_runs_commands_has_died)
{
	use_script("kill -9 $PPID; echo s3cret");
	fails("a", NULL, "cut short");
	use_script("echo s3cret");
	ck_assert_str_eq(look_up("a", NULL)->secret, "s3cret");
	ck_assert(!auth_wants_helper(a));
}
END_TEST

START_TEST(signals_are_as_a_program_expects_them)
{
	signal(SIGPIPE, SIG_IGN);
	use_script("kill -PIPE $$; echo survived");
	fails("a", NULL, "killed by signal 13");
}
END_TEST

/* --- commands, with the clock running ahead --- */

static int held; /* a FIFO that all descendants have open for writing */
static char held_path[64];

static void
setup_limit(void)
{
	char script[256];

	setup_virtual();
	snprintf(held_path, sizeof(held_path), "%s/held", dir);
	ck_assert_int_eq(mkfifo(held_path, 0600), 0);
	held = open(held_path, O_RDONLY | O_NONBLOCK);
	ck_assert_int_ge(held, 0);
	snprintf(script, sizeof(script),
	    "exec >%s; echo running; /bin/sleep 1000 & /bin/sleep 1000 & wait", held_path);
	use_script(script);
}

/* In the kernel's time: the command runs. */
static void
wait_until_it_runs(void)
{
	struct pollfd p = {.fd = held, .events = POLLIN};
	char said[16];

	ck_assert_int_eq(poll(&p, 1, 20000), 1);
	ck_assert_int_eq(read(held, said, sizeof(said)), 8);
}

/* The end of all of them, in the kernel's time: nobody waits a thousand seconds for it. */
static void
teardown_limit(void)
{
	struct pollfd p = {.fd = held};
	char said[16];

	teardown();
	while (read(held, said, sizeof(said)) != 0)
		ck_assert_int_eq(poll(&p, 1, 20000), 1);
	close(held);
	unlink(held_path);
	rmdir(dir);
}

START_TEST(command_that_takes_too_long)
{
	int64_t start = vclock_ms();

	ask(1, "a", NULL);
	wait_until_it_runs();
	fails("a", NULL, "took too long");
	ck_assert_int_eq(vclock_ms() - start, AUTH_COMMAND_S * 1000);
}
END_TEST

START_TEST(others_are_served_while_a_command_hangs)
{
	ask(0, "a", NULL);
	ask(2, "a", NULL);
	wait_until_it_runs();
	write_file(path, 0600, "machine a login me password p\n");
	ask(1, "a", NULL);
	reactor_turn(r);
	ck_assert_int_eq(got[1].count, 1);
	/* what somebody waits for goes on, whoever else has given up and whatever run it is */
	auth_release(&q[2]);
	auth_new_run(a);
	ck_assert_int_eq(got[0].count, 0);
	ck_assert(wait_for(0)->failed);
	ck_assert_int_eq(got[2].count, 0);
}
END_TEST

/* It goes on, so that whoever asks next does not start it a second time. */
START_TEST(nobody_waits_any_more)
{
	char said[16];

	ask(0, "a", NULL);
	ask(1, "a", NULL);
	wait_until_it_runs();
	auth_release(&q[0]);
	auth_release(&q[1]);
	auth_new_run(a);
	ask(2, "a", NULL);
	ck_assert(wait_for(2)->failed);
	ck_assert_int_eq(got[0].count + got[1].count, 0);
	ck_assert_int_eq(read(held, said, sizeof(said)), -1);
}
END_TEST

START_TEST(freed_while_it_runs_for_nobody)
{
	ask(0, "a", NULL);
	wait_until_it_runs();
	auth_release(&q[0]);
	auth_free(&a);
}
END_TEST

Suite *
suite_auth(void)
{
	Suite *suite = suite_create("auth");
	TCase *t = tcase_create("form");

	tcase_add_test(t, one_line_is_enough);
	tcase_add_test(t, many_entries_in_many_lines);
	tcase_add_test(t, values_with_blanks_and_signs);
	tcase_add_loop_test(
	    t, mistakes_are_named_but_not_shown, 0, (int)(sizeof(mistakes) / sizeof(mistakes[0])));
	tcase_add_test(t, a_nul_is_not_text);
	tcase_add_test(t, command_lines_are_split_without_a_shell);
	suite_add_tcase(suite, t);

	t = tcase_create("lookup");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, found_and_not_found);
	tcase_add_test(t, released_credentials_are_gone);
	tcase_add_test(t, file_put_right_is_used_at_once);
	tcase_add_test(t, file_that_others_can_read);
	tcase_add_test(t, file_of_somebody_else);
	tcase_add_test(t, file_that_is_none);
	tcase_add_test(t, file_that_cannot_be_read);
	tcase_add_test(t, no_file_at_all);
	tcase_add_test(t, all_of_the_file_is_checked_at_start);
	tcase_add_test(t, cancelled_is_not_called);
	tcase_add_test(t, no_core_dump);
	suite_add_tcase(suite, t);

	t = tcase_create("command");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(
	    t, first_line_is_the_secret, 0, (int)(sizeof(outputs) / sizeof(outputs[0])));
	tcase_add_loop_test(
	    t, commands_that_go_wrong, 0, (int)(sizeof(troubles) / sizeof(troubles[0])));
	tcase_add_test(t, commands_have_no_home_in_the_spool);
	tcase_add_test(t, what_commands_say_is_shown_where_told);
	tcase_add_test(t, command_that_is_not_there);
	if (getenv("T_VALGRIND") == NULL) /* it keeps the limits to itself */
		tcase_add_test(t, command_that_cannot_be_started);
	tcase_add_test(t, command_runs_once_a_run);
	tcase_add_test(t, failed_command_is_not_run_again_in_this_run);
	tcase_add_test(t, callback_that_releases_and_asks_again);
	tcase_add_test(t, command_in_a_group_of_its_own);
	tcase_add_test(t, who_runs_commands_has_died);
	tcase_add_test(t, signals_are_as_a_program_expects_them);
	suite_add_tcase(suite, t);

	t = tcase_create("limit");
	tcase_add_checked_fixture(t, setup_limit, teardown_limit);
	tcase_add_test(t, command_that_takes_too_long);
	tcase_add_test(t, others_are_served_while_a_command_hangs);
	tcase_add_test(t, nobody_waits_any_more);
	tcase_add_test(t, freed_while_it_runs_for_nobody);
	suite_add_tcase(suite, t);
	return suite;
}
