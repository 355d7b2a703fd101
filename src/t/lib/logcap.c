/* logcap.c: keeps log lines. */
#include "logcap.h"

#include <string.h>

#include "base/buf.h"
#include "base/log.h"

enum { LOGCAP_MAX = 64 << 20 };

static struct buf lines, traced;

static void
keep_line(void *ctx, enum log_level level, const char *line)
{
	buf_addf(ctx, "%s%s\n", level == LOG_LEVEL_WARN ? "warning: " : "", line);
}

void
logcap_start(void)
{
	logcap_stop();
	buf_init(&lines, LOGCAP_MAX);
	buf_init(&traced, LOGCAP_MAX);
	log_capture(keep_line, &lines);
	log_trace_capture(keep_line, &traced);
}

void
logcap_stop(void)
{
	log_capture(NULL, NULL);
	log_trace_capture(NULL, NULL);
	buf_free(&lines);
	buf_free(&traced);
}

const char *
logcap_text(void)
{
	return buf_str(&lines);
}

const char *
logcap_trace(void)
{
	return buf_str(&traced);
}

size_t
logcap_count(const char *part)
{
	const char *line = logcap_text();
	size_t count = 0;

	while (*line != '\0') {
		const char *end = strchr(line, '\n');
		const char *hit = strstr(line, part);

		if (hit != NULL && hit < end)
			count++;
		line = end + 1;
	}
	return count;
}

bool
logcap_has(const char *part)
{
	return strstr(logcap_text(), part) != NULL;
}
