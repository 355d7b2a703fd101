/*
 * helper_log.c: lines of the log, by way of a process that may open syslog's socket.
 *
 * The runner does not wait for a line to be written; the socket keeps some hundreds, in their order, also
 * when the runner is gone. Where a syslogd is stuck, the runner waits for a moment once and then
 * loses lines, counting them.
 */
#include "helper_impl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/packet.h"
#include "base/sandbox.h"
#include "base/str.h"

enum { PATIENCE_MS = 500 };

/* --- the runner's side --- */

static struct {
	struct helper helper;
	unsigned long unsaid; /* lines, since the last that went out */
	bool lost; /* it has ended, or could not be started */
	char ident[32];
	struct helper_log log;
} the = {.helper = {.fd = -1, .pid = -1}};

static bool
is_full(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

/* Waits for room unless that has been in vain before. -1 and errno. */
static int
hand_over(enum log_level level, const char *line)
{
	struct pollfd p = {.fd = the.helper.fd, .events = POLLOUT};
	char packet[HELPER_LINE_MAX];
	size_t n;

	packet[0] = level == LOG_LEVEL_WARN ? HELPER_WARN : HELPER_INFO;
	str_copy(packet + 1, sizeof(packet) - 1, line);
	n = 1 + strlen(packet + 1);
	if (packet_send(p.fd, packet, n, -1) == 0)
		return 0;
	if (!is_full(errno) || the.unsaid > 0)
		return -1;
	poll(&p, 1, PATIENCE_MS);
	return packet_send(p.fd, packet, n, -1);
}

static int
say_what_was_lost(void)
{
	char line[80];

	snprintf(
	    line, sizeof(line), "%lu lines of the log were lost: syslog took none", the.unsaid);
	return hand_over(LOG_LEVEL_WARN, line);
}

static void
on_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	if (the.unsaid > 0 && say_what_was_lost() == 0)
		the.unsaid = 0;
	if (the.unsaid == 0 && hand_over(level, line) == 0)
		return;
	if (is_full(errno)) {
		the.unsaid++;
		return;
	}
	/* It has gone. Where this process is not confined, it can do without. */
	the.lost = true;
	log_relay(NULL, NULL);
	log_to_syslog(level, line);
}

static void
to_syslog(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	log_to_syslog(level, line);
}

int
helper_log_begin(void)
{
	static const struct helper_log log = {.say = to_syslog};

	return helper_log_begin_with(&log, false);
}

int
helper_log_begin_with(const struct helper_log *log, bool keep_stderr)
{
	the.unsaid = 0;
	the.log = *log;
	snprintf(the.ident, sizeof(the.ident), "sortie[%ld]", (long)getpid());
	the.log.ident = the.ident;
	the.lost =
	    helper_start(&the.helper, "sortie-log", keep_stderr, helper_log_serve, &the.log) == -1;
	if (the.lost)
		return -1;
	log_relay(on_line, NULL);
	return 0;
}

void
helper_log_end(void)
{
	if (the.helper.fd == -1)
		return;
	if (the.unsaid > 0 && !the.lost)
		say_what_was_lost();
	log_relay(NULL, NULL);
	helper_end(&the.helper);
}

bool
helper_log_lost(void)
{
	return the.lost;
}

pid_t
helper_log_pid(void)
{
	return the.helper.pid;
}

/* --- the helper's --- */

/* A line that log.c could not have made ends it. The ident bears the runner's pid, not this one's. */
void
helper_log_serve(int sock, const void *ctx)
{
	const struct helper_log *log = ctx;
	char packet[HELPER_LINE_MAX];
	ssize_t n;

	tzset(); /* reads a file */
	openlog(log->ident, LOG_NDELAY, LOG_MAIL);
	sandbox_enter(SANDBOX_BROKER, NULL, 0);
	while ((n = packet_receive(sock, packet, sizeof(packet) - 1, NULL)) > 0) {
		packet[n] = '\0';
		if ((packet[0] != HELPER_WARN && packet[0] != HELPER_INFO) ||
		    !str_is_clean(packet + 1, (size_t)n - 1))
			return;
		log->say(log->ctx, packet[0] == HELPER_WARN ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
		    packet + 1);
	}
}
