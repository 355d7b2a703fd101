/*
 * logcap.h: what was logged and traced, kept for tests.
 */
#ifndef T_LIB_LOGCAP_H
#define T_LIB_LOGCAP_H

#include <stdbool.h>
#include <stddef.h>

void logcap_start(void); /* from now on; forgets what was there */
void logcap_stop(void);
const char *logcap_text(void); /* every line with its newline; warnings start with "warning: " */
const char *logcap_trace(void); /* the -v conversation */
size_t logcap_count(const char *part); /* log lines that hold part */
bool logcap_has(const char *part);

#endif
