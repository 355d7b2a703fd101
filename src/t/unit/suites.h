/*
 * suites.h: every check_NAME.c defines suite_NAME() and says so here. The table of those that are
 * built is written by the Makefile from its list of tests.
 */
#ifndef T_UNIT_SUITES_H
#define T_UNIT_SUITES_H

#include <stddef.h>

#include <check.h>

typedef Suite *suite_fn(void);

extern suite_fn *const suites[]; /* ends with NULL */

suite_fn suite_address, suite_aliases, suite_alloc, suite_auth, suite_auth_helper, suite_backoff,
    suite_body, suite_bounce, suite_buf, suite_clock, suite_command, suite_config, suite_ctl,
    suite_ctl_act, suite_ctl_queue, suite_import, suite_config_tls, suite_conn, suite_dial,
    suite_dns, suite_dns_servers, suite_dns_cache, suite_dns_conf, suite_dns_msg, suite_draft,
    suite_durable, suite_ehlo, suite_envelope, suite_helper, suite_list, suite_local, suite_forward,
    suite_log, suite_ledger, suite_ctl_sites, suite_mailq, suite_map, suite_masquerade,
    suite_network, suite_options, suite_packet, suite_queue, suite_reactor, suite_reactor_rounds,
    suite_reactor_tasks, suite_reply, suite_resolvconf, suite_route, suite_sasl, suite_session,
    suite_site, suite_smtp, suite_smtp_server, suite_smtpd, suite_sortie, suite_spares, suite_spool,
    suite_runners, suite_item, suite_item_end, suite_scan, suite_start, suite_str, suite_submit,
    suite_submit_ends, suite_submit_input, suite_submit_lines, suite_sys, suite_tickets, suite_tls,
    suite_tls_setup, suite_verdict, suite_wheel;
suite_fn suite_ctl_check, suite_ctl_names, suite_ctl_runs;
suite_fn suite_trace, suite_ctl_trace;
suite_fn suite_dialogue, suite_kit, suite_fault, suite_fault_spool, suite_fault_program,
    suite_fault_disk, suite_story;

#endif
