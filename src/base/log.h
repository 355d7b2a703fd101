/*
 * log.h: what people read afterwards, and the two ways to stop at once.
 *
 * Four severities by meaning: bug() the caller broke a contract (abort), die() cannot go on (exit
 * with a sysexits(3) code), log_warn() somebody should look, log_info() a fact for the record. log_trace() is
 * the -v conversation: it goes to stderr, never to the log. No text passed here may hold a
 * credential, and what came from a server, resolver or user has been through str_clean() before.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

#if defined(__GNUC__)
#define LOG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define LOG_NORETURN __attribute__((noreturn))
#else
#define LOG_PRINTF(fmt, args)
#define LOG_NORETURN
#endif

enum log_level { LOG_LEVEL_INFO, LOG_LEVEL_WARN };

/*
 * Opens the log. where is "syslog" (facility mail, ident), "stderr", or an absolute path (appended
 * to, created 0600, one write(2) a line). Returns 0, or -1 and errno; the old log stays then.
 * Before the first log_open() lines go to stderr. Calling it again reopens (SIGHUP).
 */
int log_open(const char *where, const char *ident);
/* Where its lines go; -1: to syslog. */
int log_fd(void);

typedef void log_fn(void *ctx, enum log_level level, const char *line);

/*
 * Whoever may not open syslog's socket has somebody who does: from now on, and until the log is
 * opened anew, fn gets the lines for syslog and hands them on to one who calls log_to_syslog(). fn
 * NULL: syslog(3) again. Does nothing when the log is not syslog.
 */
bool log_is_syslog(void);
void log_relay(log_fn *fn, void *ctx);
void log_to_syslog(enum log_level level, const char *line);

/* Tests: every finished line goes to fn instead (NULL: back to normal). */
void log_capture(log_fn *fn, void *ctx);

void log_info(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_warn(const char *fmt, ...) LOG_PRINTF(1, 2);
/* A warning, and "sortie: ..." on stderr as well: why what was asked for is not done. */
void log_tell(const char *fmt, ...) LOG_PRINTF(1, 2);

/* -v: on or off; a traced line goes to stderr at once, or to fn in tests. */
void log_verbose(bool on);
bool log_is_verbose(void);
void log_trace(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_trace_capture(log_fn *fn, void *ctx);

/* Logs as a warning, prints "sortie: ..." to stderr and exits with a sysexits(3) code. */
LOG_NORETURN void die(int sysexit, const char *fmt, ...) LOG_PRINTF(2, 3);
/* From now on die() exits with this instead, -1: as it is told. For what has been promised already. */
void die_as(int sysexit);

/* A broken contract: prints where and aborts. */
LOG_NORETURN void bug_at(const char *file, int line, const char *what);
#define bug(what) bug_at(__FILE__, __LINE__, (what))

#endif
