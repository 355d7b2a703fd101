/*
 * promtext.h: Prometheus' text format, version 0.0.4, read strictly.
 */
#ifndef T_LIB_PROMTEXT_H
#define T_LIB_PROMTEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether all of it is as the format and its conventions have it: every metric has one HELP and then one TYPE,
 * its samples follow at once, none is there twice, names and labels are such, values are numbers; counters
 * end in _total, and nothing else does, and are not negative; the last line ends, too. why: the line, and what.
 */
bool promtext_ok(const char *text, char *why, size_t whysize);
/* The value of a sample, written as in the text: name, or name{label="value"}. False: it is not there. */
bool promtext_value(const char *text, const char *sample, double *value);

#endif
