/*
 * kill: what does a runner that is killed at any moment cost?
 *
 *	kill SORTIE SINK [--kills N] [--messages N] [--seed N] [--ahead N]
 *	kill SORTIE SINK --together N [--messages N]
 *	kill SORTIE SINK --stops N [--messages N] [--seed N]
 *
 * Runs the unmodified program (SORTIE -C conf -q) on a spool of N messages against a server (SINK)
 * that takes 20 ms for each reply and writes down what it accepts before it says so. Kills it with
 * SIGKILL at a random moment, N times, and lets it finish at the end.
 *
 * At each kill let U be what the server has accepted and the spool does not know of. Then:
 *	- of what came in this life, U holds at most PER_SESSION messages (--ahead N: so many times
 *	  that, the server offers CHUNKING and as many are in flight) for each session that
 *	  was open (what an earlier kill left in U stays there until it is delivered again);
 *	- whatever the server gets a second time was in U at the kill before;
 *	- in the end every recipient has got every message, and the queue is empty.
 *
 * With --together N nobody is killed: N runners work the spool at once, and nothing comes twice. With
 * --stops N neither: of two runners one is stopped (SIGSTOP) at a random moment, and goes on when the
 * other has ended, N times; nothing comes twice, and what the other leaves lying is what the stopped one
 * has locked.
 *
 * The last line is for the table of `make fault`: ROW, what it was, points, lost, duplicated, leaked.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/sys.h"
#include "spool/spool.h"
#include "whole.h"

enum {
	/*
	 * Messages of one session that may be accepted and not recorded: one whose end of data the
	 * server has read and whose 250 has not arrived; and one whose 250 has been read in this
	 * turn of the loop, whose commit is still to come, while the next one's data left already.
	 */
	PER_SESSION = 2,
	RECIPIENTS_MAX = 3,
	LIFE_MAX_S = 60,
	TOGETHER_MAX = 10,
};

struct delivery {
	unsigned accepted; /* times */
	unsigned life; /* in which the last time was */
	bool unrecorded; /* in U at the last kill */
};

struct item {
	char id[ENVELOPE_ID_MAX + 1];
	unsigned nrcpts;
	struct delivery rcpts[RECIPIENTS_MAX];
};

static struct {
	const char *sortie, *sink;
	unsigned kills, messages, together, stops, ahead;
	uint64_t seed;
} opt = {.kills = 200, .messages = 1000, .ahead = 1};

static char dir[] = "/tmp/sortie-kill.XXXXXX";
static char conf[64], recorded[64], output[64];
static struct spool *sp;
static struct item *items;
static size_t nitems, items_cap;
static FILE *record;
static pid_t sink, runners[TOGETHER_MAX];
static unsigned nrunners;
static int port;
static unsigned life;
static struct {
	unsigned kills, most_sessions, most_unrecorded, duplicates;
} count;

LOG_NORETURN static void failed(const char *fmt, ...) LOG_PRINTF(1, 2);
static void
failed(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "kill: FAILED in life %u, seed %llu: ", life, (unsigned long long)opt.seed);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (see %s)\n", dir);
	while (nrunners > 0)
		kill(runners[--nrunners], SIGKILL);
	if (sink > 0)
		kill(sink, SIGTERM);
	exit(1);
}

/* splitmix64: the same moments for the same seed, as far as the machine plays along. */
static uint64_t
random_below(uint64_t n)
{
	static uint64_t state;
	uint64_t z;

	if (state == 0)
		state = opt.seed;
	z = (state += 0x9e3779b97f4a7c15U);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return (z ^ (z >> 31)) % n;
}

static void
pause_us(uint64_t us)
{
	struct timespec ts = {
	    .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

	while (nanosleep(&ts, &ts) != 0 && errno == EINTR)
		;
}

/* --- the spool --- */

/* Message n goes to one recipient, every fourth to three. */
static void
submit_one(void)
{
	struct item *it;
	struct envelope e;
	struct draft d;
	char text[256];
	unsigned i;

	items = xgrow(items, nitems, &items_cap, sizeof(*items));
	it = &items[nitems];
	*it = (struct item){.nrcpts = nitems % 4 == 0 ? RECIPIENTS_MAX : 1};
	snprintf(text, sizeof(text),
	    "From: <a@kill.example>\r\nMessage-ID: <%zu@kill.example>\r\n\r\nmessage %zu\r\n",
	    nitems, nitems);
	envelope_init(&e);
	e.sender = xstrdup("a@kill.example");
	e.uid = (long long)getuid();
	e.submitted = time(NULL);
	e.size = strlen(text);
	for (i = 0; i < it->nrcpts; i++) {
		char address[64];

		snprintf(address, sizeof(address), "%zu.%u@kill.example", nitems, i);
		envelope_add(&e, address);
	}
	if (draft_open(sp, &d) != 0 || durable_write(d.fd, text, strlen(text)) != 0 ||
	    draft_commit(sp, &d, &e, NULL) != 0)
		failed("cannot submit: %s", strerror(errno));
	str_copy(it->id, sizeof(it->id), d.id);
	draft_abort(sp, &d);
	envelope_free(&e);
	nitems++;
}

static int
no_sync(int fd)
{
	(void)fd;
	return 0;
}

static void
submit_more(unsigned n)
{
	sys.fsync = no_sync; /* nobody is killed meanwhile */
	while (n-- > 0)
		submit_one();
	sys.fsync = sys_libc.fsync;
}

/* Sets `unrecorded` for one item; whether any of its recipients got it in this life. */
static bool
mark_unrecorded(struct item *it)
{
	struct envelope e;
	char why[256];
	off_t size;
	bool any = false;
	enum spool_load got;
	unsigned i;

	envelope_init(&e);
	got = spool_load(sp, it->id, -1, &e, &size, why, sizeof(why));
	if (got == SPOOL_CORRUPT || got == SPOOL_UNREADABLE)
		failed("%s: cannot be read: %s", it->id, why);
	for (i = 0; i < it->nrcpts; i++) {
		struct delivery *d = &it->rcpts[i];

		if (got == SPOOL_MISSING && d->accepted == 0)
			failed("%s is gone and recipient %u has got nothing", it->id, i);
		if (got == SPOOL_LOADED && e.rcpts[i].status == RCPT_DELIVERED && d->accepted == 0)
			failed("%s: recipient %u is recorded and has got nothing", it->id, i);
		d->unrecorded =
		    got == SPOOL_LOADED && d->accepted > 0 && e.rcpts[i].status != RCPT_DELIVERED;
		any = any || (d->unrecorded && d->life == life);
	}
	envelope_free(&e);
	return any;
}

static bool
see_one(void *ctx, const struct spool_entry *entry)
{
	(void)entry;
	*(bool *)ctx = false;
	return false;
}

static bool
queue_empty(void)
{
	bool empty = true;

	if (spool_scan(sp, see_one, &empty) != 0)
		failed("cannot scan the spool: %s", strerror(errno));
	return empty;
}

/* --- the server --- */

static void
start_sink(void)
{
	char port_file[64];
	const char *const argv[] = {opt.sink, "--latency", "20", "--record", recorded,
	    "--port-file", port_file, opt.ahead > 1 ? "--chunking" : NULL, NULL};

	snprintf(port_file, sizeof(port_file), "%s/port", dir);
	sink = whole_start(argv, output);
	port = whole_wait_for_port(port_file);
}

/* A line from the server's side of a connection of ours. */
static void
read_reply(int fd, char line[80])
{
	size_t n = 0;

	while (n < 79 && (n == 0 || line[n - 1] != '\n')) {
		if (read(fd, line + n, 1) != 1)
			failed("the sink does not answer");
		n++;
	}
	line[n] = '\0';
}

/* How many connections it has besides this one. */
static unsigned
sink_connections(void)
{
	static const char ask[] = "XSINK\r\nQUIT\r\n";
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	char line[80];
	unsigned n;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
	    write(fd, ask, sizeof(ask) - 1) < 0)
		failed("cannot reach the sink: %s", strerror(errno));
	read_reply(fd, line);
	read_reply(fd, line);
	if (sscanf(line, "250 %u", &n) != 1)
		failed("the sink said %s", line);
	read_reply(fd, line); /* 221: nothing of ours is left there */
	close(fd);
	return n;
}

/* Until it has read all that the dead runner had sent. */
static void
wait_until_drained(void)
{
	unsigned tries;

	for (tries = 0; sink_connections() > 0; tries++)
		if (tries > 1000)
			failed("the sink keeps connections of the dead");
}

/* What was accepted since: every second time must have been in U. */
static void
read_record(void)
{
	char line[200];

	while (fgets(line, sizeof(line), record) != NULL) {
		unsigned long n;
		unsigned i;
		struct delivery *d;

		if (strchr(line, '\n') == NULL ||
		    sscanf(line, "<%*u@kill.example> %lu.%u@", &n, &i) != 2 || n >= nitems ||
		    i >= items[n].nrcpts)
			failed("a strange line in the record: %s", line);
		d = &items[n].rcpts[i];
		if (d->accepted > 0 && d->life == life)
			failed("message %lu came twice in one life", n);
		if (d->accepted > 0 && !d->unrecorded)
			failed("message %lu came twice although it was recorded", n);
		count.duplicates += d->accepted > 0;
		d->accepted++;
		d->life = life;
	}
	clearerr(record);
}

static void
check_unrecorded(unsigned sessions)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < nitems; i++)
		n += mark_unrecorded(&items[i]);
	if (n > count.most_unrecorded)
		count.most_unrecorded = n;
	if (n > PER_SESSION * opt.ahead * sessions)
		failed("%u messages were accepted and not recorded, with %u sessions", n, sessions);
}

/* --- lives --- */

static void
start_runner(void)
{
	const char *const argv[] = {opt.sortie, "-C", conf, "-q", NULL};

	runners[nrunners++] = whole_start(argv, output);
}

static void
must_have_ended_well(int status)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		failed("the runner ended with status 0x%x", (unsigned)status);
}

/* The runners have ended by themselves, or been killed: judge. */
static void
look_back(unsigned sessions)
{
	nrunners = 0;
	if (sessions > count.most_sessions)
		count.most_sessions = sessions;
	wait_until_drained();
	read_record();
	check_unrecorded(sessions);
}

/* Kills the runner. Stopped first, so that the sessions counted are those it dies with. */
static unsigned
kill_runner(void)
{
	pid_t runner = runners[0];
	unsigned sessions;
	int status;

	kill(runner, SIGSTOP);
	waitpid(runner, &status, WUNTRACED);
	if (!WIFSTOPPED(status)) {
		must_have_ended_well(status);
		return 0;
	}
	sessions = sink_connections();
	kill(runner, SIGKILL);
	waitpid(runner, &status, 0);
	count.kills++;
	return sessions;
}

/* One life of at most that long. */
static void
live_and_die(uint64_t us)
{
	unsigned sessions = 0;
	int status;

	life++;
	start_runner();
	pause_us(us);
	if (waitpid(runners[0], &status, WNOHANG) == runners[0])
		must_have_ended_well(status);
	else
		sessions = kill_runner();
	look_back(sessions);
}

static void
wait_for(pid_t runner)
{
	uint64_t waited;
	int status;

	for (waited = 0; waitpid(runner, &status, WNOHANG) != runner; waited++) {
		if (waited > LIFE_MAX_S * 100)
			failed("the runner does not end");
		pause_us(10000);
	}
	must_have_ended_well(status);
}

/* One life of n runners that nobody kills. */
static void
live_to_the_end(unsigned n)
{
	unsigned i;

	life++;
	while (nrunners < n)
		start_runner();
	for (i = 0; i < n; i++)
		wait_for(runners[i]);
	look_back(0);
}

/* Two runners; one stops at that moment, if it has not ended, until the other is done. */
static bool
live_with_a_stop(uint64_t us)
{
	pid_t stopped;
	int status;

	life++;
	start_runner();
	start_runner();
	stopped = runners[0];
	pause_us(us);
	kill(stopped, SIGSTOP);
	waitpid(stopped, &status, WUNTRACED);
	wait_for(runners[1]);
	if (WIFSTOPPED(status)) {
		kill(stopped, SIGCONT);
		wait_for(stopped);
	} else {
		must_have_ended_well(status);
	}
	look_back(0);
	return WIFSTOPPED(status);
}

static void
stop_many(void)
{
	uint64_t mean_us = 100000;

	for (unsigned done = 0; done < opt.stops;) {
		if (live_with_a_stop(random_below(2 * mean_us) + 1))
			done++;
		else if (mean_us > 1000)
			mean_us -= mean_us / 10;
		submit_more(1 + opt.messages / 10);
	}
}

static size_t
arrived(void)
{
	size_t n = 0, i;

	for (i = 0; i < nitems; i++)
		n += items[i].rcpts[0].accepted > 0;
	return n;
}

/* Lives are made longer or shorter so that the mail lasts for all of them. */
static void
kill_many(void)
{
	uint64_t mean_us = 50000;

	while (count.kills < opt.kills) {
		live_and_die(random_below(2 * mean_us) + 1);
		if (arrived() * opt.kills > (uint64_t)count.kills * opt.messages)
			mean_us -= mean_us / 10;
		else if (mean_us < 2000000)
			mean_us += mean_us / 10;
		if (queue_empty())
			submit_more(1 + opt.messages / 10);
	}
}

static void
check_all_arrived(void)
{
	size_t i;
	unsigned k;

	for (i = 0; i < nitems; i++)
		for (k = 0; k < items[i].nrcpts; k++)
			if (items[i].rcpts[k].accepted == 0)
				failed("message %zu never came to recipient %u", i, k);
}

static void
prepare(void)
{
	char spool_dir[64], why[256];

	if (mkdtemp(dir) == NULL)
		die(EX_CANTCREAT, "%s: %s", dir, strerror(errno));
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	snprintf(recorded, sizeof(recorded), "%s/record", dir);
	snprintf(output, sizeof(output), "%s/output", dir);
	snprintf(spool_dir, sizeof(spool_dir), "%s/spool", dir);
	start_sink();
	if ((record = fopen(recorded, "r")) == NULL)
		failed("%s: %s", recorded, strerror(errno));
	whole_write_file(conf,
	    "hostname kill.example\nspool %s\nrelay smtp://[127.0.0.1]:%d\n"
	    "refuse none\nretry 1s 1s\nlog %s/log\n",
	    spool_dir, port, dir);
	if (spool_open(&sp, spool_dir, why, sizeof(why)) != 0)
		failed("%s", why);
	submit_more(opt.messages);
}

LOG_NORETURN static void
usage(void)
{
	die(EX_USAGE,
	    "usage: kill SORTIE SINK [--kills N | --together N | --stops N] [--messages N] "
	    "[--seed N] [--ahead N]");
}

static void
options(int argc, char **argv)
{
	uint64_t n;
	int i;

	if (argc < 3)
		usage();
	opt.sortie = argv[1];
	opt.sink = argv[2];
	opt.seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
	for (i = 3; i + 1 < argc; i += 2) {
		if (!str_u64(argv[i + 1], UINT64_MAX / 2, &n) || n == 0)
			usage();
		if (strcmp(argv[i], "--kills") == 0)
			opt.kills = (unsigned)n;
		else if (strcmp(argv[i], "--messages") == 0)
			opt.messages = (unsigned)n;
		else if (strcmp(argv[i], "--together") == 0 && n <= TOGETHER_MAX)
			opt.together = (unsigned)n;
		else if (strcmp(argv[i], "--stops") == 0)
			opt.stops = (unsigned)n;
		else if (strcmp(argv[i], "--ahead") == 0)
			opt.ahead = (unsigned)n;
		else if (strcmp(argv[i], "--seed") == 0)
			opt.seed = n;
		else
			usage();
	}
	if (i != argc)
		usage();
}

/* Until the queue is empty. */
static void
finish(unsigned n)
{
	int tries;

	for (tries = 0; !queue_empty(); tries++) {
		if (tries == 20)
			failed("the queue does not become empty");
		if (tries > 0)
			pause_us(1100000); /* somebody was deferred: his second is not over */
		live_to_the_end(n);
	}
	check_all_arrived();
}

/* Whatever goes wrong ends the program before this. */
static void
row(const char *what, unsigned points)
{
	printf("ROW\t%s\t%u\t0\t0\t0\n", what, points);
}

int
main(int argc, char **argv)
{
	options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	prepare();
	if (opt.together > 0) {
		finish(opt.together);
		printf("kill: %zu messages, %u runners together, nothing twice\n", nitems,
		    opt.together);
		row("runners at once", opt.together);
	} else if (opt.stops > 0) {
		stop_many();
		finish(1);
		printf("kill: %u stops, %zu messages, nothing twice\n", opt.stops, nitems);
		row("one runner stopped, another working", opt.stops);
	} else {
		printf("kill: seed %llu\n", (unsigned long long)opt.seed);
		fflush(stdout);
		kill_many();
		finish(1);
		printf("kill: %u kills, %zu messages, up to %u sessions; at most %u accepted and "
		       "not recorded; %u recipients got one again\n",
		    count.kills, nitems, count.most_sessions, count.most_unrecorded,
		    count.duplicates);
		row("killed at a random moment", count.kills);
	}
	whole_stop(sink);
	fclose(record);
	spool_close(&sp);
	free(items);
	whole_remove(dir);
	return 0;
}
