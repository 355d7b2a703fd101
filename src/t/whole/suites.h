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
Suite *suite_whole_tls(void);
Suite *suite_whole_hostile(void);
Suite *suite_whole_keeper(void);
Suite *suite_whole_helpers(void);
Suite *suite_whole_local(void);
Suite *suite_whole_front(void);
Suite *suite_whole_smtp(void);
Suite *suite_whole_aliases(void);
Suite *suite_whole_ctl(void);
Suite *suite_whole_trace(void);
Suite *suite_whole_check(void);
Suite *suite_whole_import(void);
Suite *suite_whole_sites(void);
/* A suite of these tests, each with kit_setup() and kit_teardown(); and one more that is run n times,
 * with _i from 0. */
Suite *whole_suite(const char *name, const TTest *const tests[], size_t n);
void whole_loop(Suite *s, const TTest *test, int n);

#endif
