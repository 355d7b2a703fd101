/* resources_post.c: messages, runs, and what has become of them. */
#include "t/fault/resources.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/alloc.h"
#include "whole.h"

enum { OTHERS_MAX = 200, SINKS = 2, NO_LOADER = 127, TOLD_MAX = 8, PASSES_MAX = 6 };

struct post post;

struct message {
	bool accepted;
	bool maybe; /* the program was killed and could not say */
	unsigned arrived[SINKS], unrecorded[SINKS]; /* unrecorded: of them, those that may be */
};

static struct sink {
	const char *name;
	pid_t pid;
	int port;
	FILE *record;
} sinks[SINKS] = {{.name = "ok"}, {.name = "later"}};

static struct message *messages;
static size_t nmessages, messages_cap, judged;
static char point[200];
static unsigned told;

void
post_complain(unsigned *count, const char *fmt, ...)
{
	va_list ap;

	++*count;
	if (told++ >= TOLD_MAX)
		return;
	fprintf(stderr, "resources: %s: ", point);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void
post_point(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(point, sizeof(point), fmt, ap);
	va_end(ap);
}

void
post_row(const char *name, const struct tally *t)
{
	if (t->other > 0)
		post.keep = true;
	printf("ROW\t%s\t%u\t%u\t%u\t0\n", name, t->points, t->lost, t->duplicated);
	fflush(stdout);
}

/* --- the world --- */

static void
path_of(char path[POST_PATH_MAX], const char *name)
{
	snprintf(path, POST_PATH_MAX, "%s/%s", post.dir, name);
}

static void
start_sink(struct sink *s, bool greylist)
{
	char record[POST_PATH_MAX], port[POST_PATH_MAX], output[POST_PATH_MAX], name[40];
	const char *const argv[] = {post.sink, "--record", record, "--port-file", port,
	    greylist ? "--greylist" : NULL, NULL};

	snprintf(name, sizeof(name), "record-%s", s->name);
	path_of(record, name);
	snprintf(name, sizeof(name), "port-%s", s->name);
	path_of(port, name);
	path_of(output, "sinks");
	s->pid = whole_start(argv, output);
	s->port = whole_wait_for_port(port);
	if ((s->record = fopen(record, "r")) == NULL)
		die(EX_IOERR, "%s: %s", record, strerror(errno));
}

void
post_configure(void)
{
	char path[POST_PATH_MAX];

	path_of(path, "conf");
	whole_write_file(path,
	    "hostname here.example\nspool %s\nlog %s/log\nhosts /dev/null\nrefuse none\nretry 1s "
	    "1s\n"
	    "route ok.example smtp://[127.0.0.1]:%d\nroute later.example smtp://[127.0.0.1]:%d\n",
	    post.spool, post.dir, sinks[0].port, sinks[1].port);
	chmod(path, 0644);
}

void
post_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(post.dir, sizeof(post.dir), "%.30s/sortie-resources.XXXXXX",
	    tmp != NULL && *tmp != '\0' ? tmp : "/tmp");
	if (mkdtemp(post.dir) == NULL)
		die(EX_CANTCREAT, "%s: %s", post.dir, strerror(errno));
	for (int i = 0; i < SINKS; i++)
		start_sink(&sinks[i], i == 1);
	path_of(post.spool, "spool");
	post_configure();
}

void
post_end(void)
{
	for (int i = 0; i < SINKS; i++) {
		whole_stop(sinks[i].pid);
		fclose(sinks[i].record);
	}
	free(messages);
	if (post.keep)
		fprintf(stderr, "resources: see %s\n", post.dir);
	else
		whole_remove(post.dir);
}

/* --- the program --- */

/* What it said last. Through a pipe: a file would have a limit, too. */
static char said[64 * 1024];

static void
listen_to(int fd)
{
	size_t n = 0;
	ssize_t got;

	while ((got = read(fd, said + n, sizeof(said) - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = '\0';
	close(fd);
}

/* Runs SORTIE -C conf with these arguments; what wait(2) says. */
static int
run(const char *const args[], post_prepare_fn *prepare)
{
	char in[POST_PATH_MAX], conf[POST_PATH_MAX];
	const char *argv[10 + OTHERS_MAX] = {post.sortie, "-C", conf};
	int status = 0, n = 3, fd, out[2];
	pid_t child;

	path_of(in, "message");
	path_of(conf, "conf");
	while (*args != NULL)
		argv[n++] = *args++;
	fflush(stdout);
	if (pipe(out) != 0)
		die(EX_OSERR, "pipe: %s", strerror(errno));
	child = fork();
	if (child == 0) {
		if ((fd = open(in, O_RDONLY)) < 0 || dup2(fd, 0) < 0 || dup2(out[1], 1) < 0 ||
		    dup2(out[1], 2) < 0)
			_exit(EX_OSERR);
		close(fd);
		close(out[0]);
		close(out[1]);
		if (prepare != NULL)
			prepare();
		execv(argv[0], (char *const *)(void *)argv);
		_exit(NO_LOADER);
	}
	close(out[1]);
	listen_to(out[0]);
	if (child == -1 || waitpid(child, &status, 0) != child)
		die(EX_OSERR, "cannot run a child: %s", strerror(errno));
	return status;
}

/* What was said is one line of ours. */
static bool
said_one_line(void)
{
	const char *end = strchr(said, '\n');

	return strncmp(said, "sortie: ", 8) == 0 && end != NULL && end[1] == '\0';
}

/* Too little even for the loader of programs. */
static bool
never_ran(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == NO_LOADER;
}

static bool
is_fitting(int status)
{
	int code = WEXITSTATUS(status);

	return WIFEXITED(status) && (code == EX_OK || code == EX_TEMPFAIL || code == EX_OSERR ||
					code == EX_IOERR || code == EX_CANTCREAT);
}

/* Recipients besides, who are put off like the second one; nobody looks at what becomes of them. */
static void
add_others(const char *args[], size_t first)
{
	static char others[OTHERS_MAX][40];

	for (unsigned i = 0; i < post.others; i++) {
		snprintf(others[i], sizeof(others[i]), "%zu-%03u@later.example", nmessages, i);
		args[first++] = others[i];
	}
	args[first] = NULL;
}

bool
post_submit(struct tally *t, post_prepare_fn *prepare, const char *delivery)
{
	char text[POST_PATH_MAX], ok[40], later[40];
	const char *args[6 + OTHERS_MAX] = {delivery, "-f", "alice@here.example", ok, later};
	struct message *m;
	int status;

	add_others(args, 5);
	messages = xgrow(messages, nmessages, &messages_cap, sizeof(*messages));
	m = &messages[nmessages];
	memset(m, 0, sizeof(*m));
	snprintf(ok, sizeof(ok), "%zu@ok.example", nmessages);
	snprintf(later, sizeof(later), "%zu@later.example", nmessages);
	path_of(text, "message");
	whole_write_file(text, "Message-ID: <%zu@here.example>\nSubject: %s\n\n%s\n", nmessages,
	    point, "A text of one line.");
	nmessages++;
	status = run(args, prepare);
	m->accepted = WIFEXITED(status) && WEXITSTATUS(status) == EX_OK;
	m->maybe = WIFSIGNALED(status);
	if (m->accepted || m->maybe || never_ran(status))
		return m->accepted;
	if (!is_fitting(status))
		post_complain(&t->other, "submission: status 0x%x", (unsigned)status);
	else if (!said_one_line())
		post_complain(&t->other, "submission: exit status %d without one line to say why",
		    WEXITSTATUS(status));
	return false;
}

/* --- what arrives --- */

/* Counts what the sinks took since; unrecorded: it may come again. */
static unsigned
read_records(struct tally *t, bool unrecorded)
{
	char line[200];
	unsigned all = 0;

	for (int i = 0; i < SINKS; i++) {
		while (fgets(line, sizeof(line), sinks[i].record) != NULL) {
			unsigned long n;
			struct message *m;
			char next;

			if (sscanf(line, "<%lu@here.example> %*u%c", &n, &next) != 2 ||
			    n >= nmessages)
				die(EX_DATAERR, "a strange line in the record: %s", line);
			if (next != '@')
				continue;
			m = &messages[n];
			if (m->arrived[i]++ > m->unrecorded[i])
				post_complain(&t->duplicated, "message %lu came to %s again", n,
				    sinks[i].name);
			else
				t->repeated += m->arrived[i] > 1;
			m->unrecorded[i] += unrecorded;
			all++;
		}
		clearerr(sinks[i].record);
	}
	return all;
}

static unsigned since_finish;

unsigned
post_arrived(void)
{
	return since_finish;
}

int
post_run(struct tally *t, post_prepare_fn *prepare, bool exact)
{
	static const char *const args[] = {"-q", NULL};
	int status = run(args, prepare);
	bool recorded = exact || (WIFEXITED(status) && WEXITSTATUS(status) == EX_OK);

	if (WIFEXITED(status) && !is_fitting(status) && !never_ran(status))
		post_complain(&t->other, "queue run: exit status %d", WEXITSTATUS(status));
	since_finish += read_records(t, !recorded);
	return status;
}

static bool
queue_empty(void)
{
	static const char *const args[] = {"-bp", NULL};

	return run(args, NULL) == 0 && strstr(said, "Mail queue is empty") != NULL;
}

static void
judge(struct tally *t, size_t n)
{
	const struct message *m = &messages[n];

	for (int i = 0; i < SINKS; i++) {
		if (m->accepted && m->arrived[i] == 0)
			post_complain(&t->lost, "message %zu never came to %s", n, sinks[i].name);
		if (!m->accepted && !m->maybe && m->arrived[i] > 0)
			post_complain(
			    &t->other, "message %zu was refused and came to %s", n, sinks[i].name);
	}
}

void
post_finish(struct tally *t)
{
	/* with a filter nothing waits for its time */
	static const char *const args[] = {"-qR@", NULL};
	int passes = 0, status;

	while (!queue_empty()) {
		status = run(args, NULL);
		if (status != 0)
			post_complain(
			    &t->other, "the run behind it: status 0x%x", (unsigned)status);
		read_records(t, false);
		if (++passes == PASSES_MAX) {
			post_complain(&t->lost, "the queue does not become empty");
			break;
		}
	}
	if (strstr(said, "damaged") != NULL)
		post_complain(&t->other, "something is in corrupt/");
	for (; judged < nmessages; judged++)
		judge(t, judged);
	since_finish = 0;
}
