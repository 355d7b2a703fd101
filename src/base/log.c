/*
 * log.c: one call, one line, one write.
 *
 * Nothing here allocates, so that die("out of memory") can be said. A finished line is cleaned as a
 * whole before it goes anywhere: callers have cleaned what is foreign, this makes sure.
 */
#include "base/log.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

enum { LINE_MAX_BYTES = 2048, ROOM = 256 * 1024 /* for what one run logs */ };

/* SINK_NONE: not opened yet, what is said goes to stderr as a program's messages look. */
enum sink { SINK_NONE, SINK_STDERR, SINK_FILE, SINK_SYSLOG };

static struct {
	enum sink sink;
	int fd; /* of SINK_FILE */
	char ident[64], host[64];
	bool verbose;
	log_fn *fn, *trace_fn, *relay;
	void *ctx, *trace_ctx, *relay_ctx;
} the_log;

/* One write(2); a log that cannot be written is nothing to stop the mail for. */
static void
write_line(int fd, const char *prefix, const char *line)
{
	char out[LINE_MAX_BYTES + 256];
	int n = snprintf(out, sizeof(out), "%s%s\n", prefix, line);

	if (n < 0)
		return;
	if ((size_t)n >= sizeof(out))
		n = (int)sizeof(out) - 1;
	while (write(fd, out, (size_t)n) == -1 && errno == EINTR)
		;
}

/* The short host name, as syslogd writes it. */
static void
set_host(void)
{
	char name[256];

	if (gethostname(name, sizeof(name) - 1) == -1)
		name[0] = '\0';
	name[sizeof(name) - 1] = '\0';
	name[strcspn(name, ".")] = '\0';
	if (name[0] == '\0')
		str_copy(name, sizeof(name), "localhost");
	str_clean(the_log.host, sizeof(the_log.host), name, strlen(name));
}

/*
 * A limit on the size of files, which a caller chooses, can make each line fail: what he sends would be
 * sent, and nobody could see it.
 */
static bool
has_room(int fd)
{
	struct rlimit rl;
	struct stat st;

	return getrlimit(RLIMIT_FSIZE, &rl) == -1 || rl.rlim_cur == RLIM_INFINITY ||
	       fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	       (rl.rlim_cur >= ROOM && (rlim_t)st.st_size <= rl.rlim_cur - ROOM);
}

static int
open_file(const char *where)
{
	int fd = open(where, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC, 0600);

	if (fd == -1 || has_room(fd))
		return fd;
	close(fd);
	errno = EFBIG;
	return -1;
}

int
log_open(const char *where, const char *ident)
{
	enum sink sink = SINK_FILE;
	int fd = -1;

	if (strcmp(where, "syslog") == 0)
		sink = SINK_SYSLOG;
	else if (strcmp(where, "stderr") == 0)
		sink = SINK_STDERR;
	else if ((fd = open_file(where)) == -1)
		return -1;
	if (the_log.sink == SINK_FILE)
		close(the_log.fd);
	if (the_log.sink == SINK_SYSLOG)
		closelog();
	the_log.relay = NULL;
	the_log.sink = sink;
	the_log.fd = fd;
	str_copy(the_log.ident, sizeof(the_log.ident), ident);
	set_host();
	/* openlog(3) keeps the pointer, so ident must be ours. */
	if (sink == SINK_SYSLOG)
		openlog(the_log.ident, LOG_PID | LOG_NDELAY, LOG_MAIL);
	return 0;
}

int
log_fd(void)
{
	if (the_log.sink == SINK_SYSLOG)
		return -1;
	return the_log.sink == SINK_FILE ? the_log.fd : STDERR_FILENO;
}

bool
log_is_syslog(void)
{
	return the_log.sink == SINK_SYSLOG;
}

void
log_relay(log_fn *fn, void *ctx)
{
	if (!log_is_syslog())
		return;
	closelog();
	the_log.relay = fn;
	the_log.relay_ctx = ctx;
}

void
log_to_syslog(enum log_level level, const char *line)
{
	syslog(level == LOG_LEVEL_WARN ? LOG_WARNING : LOG_INFO, "%s%s",
	    level == LOG_LEVEL_WARN ? "warning: " : "", line);
}

void
log_capture(log_fn *fn, void *ctx)
{
	the_log.fn = fn;
	the_log.ctx = ctx;
}

/* "Nov 24 06:10:00 host ident[pid]: ", the form that log analysers read. */
static void
log_stamped(int fd, const char *mark, const char *line)
{
	static int64_t written; /* a second has many lines, and one text */
	static char when[32];
	int64_t now = clock_wall_s();
	char prefix[192];

	if (now != written || when[0] == '\0')
		clock_syslog(now, when, sizeof(when));
	written = now;
	snprintf(prefix, sizeof(prefix), "%s %s %s[%ld]: %s", when, the_log.host, the_log.ident,
	    (long)getpid(), mark);
	write_line(fd, prefix, line);
}

static void
log_line(enum log_level level, const char *line)
{
	const char *mark = level == LOG_LEVEL_WARN ? "warning: " : "";

	if (the_log.fn != NULL) {
		the_log.fn(the_log.ctx, level, line);
		return;
	}
	switch (the_log.sink) {
	case SINK_NONE:
		write_line(STDERR_FILENO, "sortie: ", line);
		break;
	case SINK_STDERR:
		log_stamped(STDERR_FILENO, mark, line);
		break;
	case SINK_FILE:
		log_stamped(the_log.fd, mark, line);
		break;
	case SINK_SYSLOG:
		if (the_log.relay != NULL)
			the_log.relay(the_log.relay_ctx, level, line);
		else
			log_to_syslog(level, line);
		break;
	}
}

/* Whether what is logged is seen on stderr anyway. */
static bool
logs_to_stderr(void)
{
	return the_log.fn == NULL && (the_log.sink == SINK_NONE || the_log.sink == SINK_STDERR);
}

/* -v shows what goes into the log, too: outcomes, delays, reasons. */
static void
show(const char *line)
{
	if (the_log.verbose && !logs_to_stderr())
		log_trace("-- %s", line);
}

/* Formats into line[LINE_MAX_BYTES] and cleans it. */
static void LOG_PRINTF(2, 0) format(char *line, const char *fmt, va_list ap)
{
	if (vsnprintf(line, LINE_MAX_BYTES, fmt, ap) < 0)
		line[0] = '\0';
	str_clean(line, LINE_MAX_BYTES, line, strlen(line));
}

static void LOG_PRINTF(2, 0) log_formatted(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];

	format(line, fmt, ap);
	log_line(level, line);
	show(line);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_formatted(LOG_LEVEL_INFO, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_formatted(LOG_LEVEL_WARN, fmt, ap);
	va_end(ap);
}

void
log_verbose(bool on)
{
	the_log.verbose = on;
}

bool
log_is_verbose(void)
{
	return the_log.verbose;
}

void
log_trace(const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;

	if (!the_log.verbose)
		return;
	va_start(ap, fmt);
	format(line, fmt, ap);
	va_end(ap);
	if (the_log.trace_fn != NULL)
		the_log.trace_fn(the_log.trace_ctx, LOG_LEVEL_INFO, line);
	else
		write_line(STDERR_FILENO, "", line);
}

void
log_trace_capture(log_fn *fn, void *ctx)
{
	the_log.trace_fn = fn;
	the_log.trace_ctx = ctx;
}

/* Into the log, and to whoever sits in front of it; once, when the log is stderr. */
static void
say(const char *line)
{
	log_line(LOG_LEVEL_WARN, line);
	if (!logs_to_stderr())
		write_line(STDERR_FILENO, "sortie: ", line);
}

void
log_tell(const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	format(line, fmt, ap);
	va_end(ap);
	say(line);
}

static int promised = -1;

void
die_as(int sysexit)
{
	promised = sysexit;
}

void
die(int sysexit, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	format(line, fmt, ap);
	va_end(ap);
	say(line);
	exit(promised >= 0 ? promised : sysexit);
}

void
bug_at(const char *file, int line, const char *what)
{
	char text[LINE_MAX_BYTES];

	snprintf(text, sizeof(text), "%s:%d: bug: %s", file, line, what);
	say(text);
	abort();
}
