/*
 * suites.h: the suites of check_whole.
 */
#ifndef T_WHOLE_SUITES_H
#define T_WHOLE_SUITES_H

#include <check.h>

Suite *suite_whole_submit(void);
Suite *suite_whole_background(void);
Suite *suite_whole_runners(void);
Suite *suite_whole_signals(void);
/* A suite with one case of these tests, each with kit_setup() and kit_teardown(). */
Suite *whole_suite(const char *name, const TTest *const tests[], size_t n);

#endif
