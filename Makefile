# Works with GNU make and bmake; needs no configure step.
#
#	make            builds ./sortie, build/sendmail, the front that takes mail in, and build/sortiectl,
#	                the operators' program
#	make check      builds and runs every test (installs what is missing, when root)
#	make demo       shows mail leaving a real spool over real sockets
#	make install    puts it where programs find it; make uninstall
#
# Set on the command line if need be: CC, CFLAGS, LDFLAGS, SPOOLDIR, SYSCONFDIR, SORTIEUSER (whose
# the spool is), PREFIX, SBINDIR, BINDIR, MANDIR, DATADIR, ZSHDIR (zsh's completions; empty: where this
# system's zsh looks), DESTDIR, BUILD (where everything goes), J (how many jobs the test targets may run
# at once).

CC = cc
CFLAGS = -O2 -g
LDFLAGS =
SPOOLDIR = /var/spool/sortie
SYSCONFDIR = /etc/sortie
SORTIEUSER = sortie
PREFIX = /usr/local
SBINDIR = $(PREFIX)/sbin
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man
DATADIR = $(PREFIX)/share/sortie
ZSHDIR =
DESTDIR =
BUILD = build
FRONT = $(BUILD)/sendmail
J = 2

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wformat=2

# The sources, a layer a list, in reading order. No layer includes from one listed before it
# (make lint checks that); all but main.c are linked into the tests as well.

TOP = src/sortie.c src/sortie_start.c src/deliver.c src/background.c src/program.c src/privilege.c \
	src/options.c src/config.c src/config_keys.c src/config_tls_keys.c \
	src/config_value.c src/config_tls.c src/config_local.c src/runner.c src/network.c src/smtpd.c src/submit.c \
	src/submit_envelope.c src/submit_intake.c src/submit_header.c src/submit_body.c src/submit_encode.c src/submit_address.c src/masquerade.c \
	src/aliases.c src/aliases_file.c src/aliases_check.c src/verify_aliases.c src/queue.c src/queue_candidates.c src/queue_sleepers.c \
	src/message.c src/message_lock.c src/message_outcome.c src/message_commit.c src/message_report.c src/message_forward.c src/origin.c src/ledger.c src/ledger_book.c src/site.c src/site_tally.c src/site_trace.c src/trace.c \
	src/site_sessions.c src/site_hops.c src/site_open.c src/site_lines.c src/site_local.c src/forward.c src/route.c \
	src/route_mx.c src/route_host.c src/route_address.c src/peer.c src/hosts.c src/dial.c \
	src/session.c src/session_tls.c src/verify.c src/bounce.c src/bounce_report.c \
	src/bounce_letter.c src/bounce_original.c src/auth.c src/auth_file.c src/auth_secret.c \
	src/auth_helper.c src/auth_command.c src/helper.c src/helper_log.c src/helper_connect.c src/helper_local.c \
	src/backoff.c src/mailq.c src/view.c src/keeper.c src/confine.c
PROTO = src/proto/smtp.c src/proto/smtp_patience.c src/proto/smtp_caller.c src/proto/smtp_send.c src/proto/smtp_reply.c \
	src/proto/smtp_mail.c src/proto/smtp_tls.c src/proto/smtp_auth.c src/proto/reply.c \
	src/proto/ehlo.c src/proto/command.c src/proto/body.c src/proto/qp.c src/proto/address.c \
	src/proto/address_list.c src/proto/smtp_server.c src/proto/smtp_server_mail.c
DNS = src/dns/dns.c src/dns/dns_query.c src/dns/dns_msg.c src/dns/resolvconf.c \
	src/dns/resolvconf_file.c
SPOOL = src/spool/spool.c src/spool/state.c src/spool/draft.c src/spool/item.c src/spool/scan.c \
	src/spool/runners.c src/spool/envelope.c src/spool/envelope_parse.c src/spool/durable.c
LOCAL = src/local/local.c src/local/serve.c src/local/maildir.c src/local/mbox.c src/local/mailbox.c
# The operators' program: its commands, and what they share.
CTL = src/ctl/ctl.c src/ctl/ctl_term.c src/ctl/ctl_json.c src/ctl/ctl_select.c src/ctl/ctl_list.c \
	src/ctl/ctl_show.c src/ctl/ctl_shape.c src/ctl/ctl_sites.c src/ctl/ctl_stats.c src/ctl/ctl_trace.c src/ctl/ctl_trace_files.c src/ctl/ctl_act.c src/ctl/ctl_action.c \
	src/ctl/ctl_check.c src/ctl/ctl_check_files.c src/ctl/ctl_check_install.c src/ctl/ctl_check_names.c \
	src/ctl/ctl_check_runs.c src/ctl/ctl_check_starters.c src/ctl/ctl_check_run.c src/ctl/ctl_check_network.c \
	src/ctl/ctl_check_delivery.c \
	src/ctl/ctl_import.c src/ctl/import_out.c src/ctl/import_queue.c src/ctl/import_folder.c src/ctl/import_dma.c \
	src/ctl/import_nullmailer.c src/ctl/import_msmtp.c src/ctl/import_msmtpq.c src/ctl/import_ssmtp.c \
	src/ctl/import_citadel.c
NET = src/net/reactor.c src/net/wheel.c src/net/conn.c src/net/tickets.c
BASE = src/base/sys.c src/base/alloc.c src/base/buf.c src/base/spares.c src/base/map.c src/base/log.c \
	src/base/str.c src/base/clock.c src/base/verdict.c src/base/packet.c src/base/descriptors.c \
	src/base/sandbox.c src/base/sandbox_files.c src/base/sandbox_calls.c

# The users of OpenSSL. CRYPTO= on the command line leaves them out: all the rest as a library, for
# a C library that OpenSSL has not been compiled for.
CRYPTO = src/net/tls.c src/net/tls_setup.c src/net/tls_resume.c src/net/tls_verify.c \
	src/net/tls_store.c src/net/tls_wire.c src/net/tls_why.c src/proto/sasl.c \
	src/proto/sasl_simple.c src/proto/sasl_scram.c

# The tests: every check_NAME.c defines suite_NAME() (src/t/README).

TESTS = src/t/unit/check_alloc.c src/t/unit/check_buf.c src/t/unit/check_spares.c src/t/unit/check_list.c \
	src/t/unit/check_map.c src/t/unit/check_log.c src/t/unit/check_str.c \
	src/t/unit/check_clock.c src/t/unit/check_verdict.c src/t/unit/check_sys.c \
	src/t/unit/check_reply.c src/t/unit/check_ehlo.c src/t/unit/check_command.c \
	src/t/unit/check_body.c src/t/unit/check_address.c src/t/unit/check_smtp.c src/t/unit/check_smtp_server.c src/t/unit/check_smtpd.c \
	src/t/unit/check_sasl.c src/t/unit/check_dns.c src/t/unit/check_dns_servers.c \
	src/t/unit/check_dns_cache.c src/t/unit/check_dns_conf.c src/t/unit/check_dns_msg.c \
	src/t/unit/check_resolvconf.c src/t/unit/check_spool.c src/t/unit/check_runners.c src/t/unit/check_draft.c \
	src/t/unit/check_item.c src/t/unit/check_item_end.c src/t/unit/check_scan.c \
	src/t/unit/check_envelope.c src/t/unit/check_durable.c src/t/unit/check_reactor.c \
	src/t/unit/check_reactor_rounds.c src/t/unit/check_reactor_tasks.c \
	src/t/unit/check_wheel.c src/t/unit/check_conn.c src/t/unit/check_tickets.c \
	src/t/unit/check_tls.c src/t/unit/check_tls_setup.c src/t/unit/check_start.c src/t/unit/check_options.c \
	src/t/unit/check_config.c src/t/unit/check_config_tls.c src/t/unit/check_network.c src/t/unit/check_submit.c src/t/unit/check_submit_ends.c \
	src/t/unit/check_aliases.c src/t/unit/check_masquerade.c \
	src/t/unit/check_submit_lines.c src/t/unit/check_submit_input.c src/t/unit/check_queue.c \
	src/t/unit/check_site.c src/t/unit/check_route.c src/t/unit/check_dial.c \
	src/t/unit/check_session.c src/t/unit/check_trace.c src/t/unit/check_ctl_trace.c \
	src/t/unit/check_bounce.c src/t/unit/check_auth.c src/t/unit/check_auth_helper.c \
	src/t/unit/check_backoff.c \
	src/t/unit/check_ledger.c src/t/unit/check_ctl_sites.c \
	src/t/unit/check_mailq.c src/t/unit/check_ctl.c src/t/unit/check_ctl_queue.c src/t/unit/check_ctl_names.c src/t/unit/check_ctl_runs.c src/t/unit/check_ctl_check.c src/t/unit/check_import.c src/t/unit/check_ctl_act.c src/t/unit/check_packet.c src/t/unit/check_helper.c \
	src/t/unit/check_local.c src/t/unit/check_forward.c src/t/unit/check_kit.c src/t/dialogue/check_dialogue.c \
	src/t/story/check_story.c src/t/fault/check_fault_spool.c \
	src/t/fault/check_fault_program.c src/t/fault/check_fault_disk.c
KIT = src/t/unit/check_main.c src/t/fault/letters.c src/t/fault/sweep.c src/t/fault/sweep_spool.c src/t/dialogue/dialogue.c src/t/dialogue/dialogue_options.c \
	src/t/dialogue/leakwatch.c src/t/lib/vclock.c src/t/lib/logcap.c \
	src/t/lib/testspool.c src/t/lib/testctl.c src/t/lib/testroot.c src/t/lib/jtree.c src/t/lib/jschema.c src/t/lib/promtext.c src/t/lib/whole.c src/t/lib/net_fake.c src/t/lib/local_fake.c src/t/lib/dns_fake.c \
	src/t/lib/dns_server.c src/t/lib/ns_fake.c src/t/lib/asker.c src/t/lib/actors.c src/t/lib/smtp_fake.c src/t/lib/smtp_fake_commands.c \
	src/t/lib/smtp_script.c src/t/lib/auth_fake.c src/t/lib/fault.c src/t/lib/fault_errors.c \
	src/t/lib/testsubmit.c src/t/lib/spooldir.c src/t/lib/powercut.c src/t/story/story.c \
	src/t/story/story_expect.c src/t/story/story_ledger.c src/t/story/story_files.c src/t/lib/certs.c src/t/lib/tls_server.c src/t/lib/tls_world.c

FUZZ = src/t/fuzz/fuzz_reply.c src/t/fuzz/fuzz_ehlo.c src/t/fuzz/fuzz_smtp.c src/t/fuzz/fuzz_smtp_server.c src/t/fuzz/fuzz_body.c \
	src/t/fuzz/fuzz_dns_msg.c \
	src/t/fuzz/fuzz_resolvconf.c src/t/fuzz/fuzz_envelope.c src/t/fuzz/fuzz_address.c \
	src/t/fuzz/fuzz_header.c src/t/fuzz/fuzz_config.c src/t/fuzz/fuzz_sasl.c src/t/fuzz/fuzz_aliases.c \
	src/t/fuzz/fuzz_forward.c

# What the system offers: libraries beyond libc, OpenSSL's and -DHAVE_NS_PARSE; Check's flags.
FEATURES != sh src/t/lib/features.sh $(CC)
LIBS != sh src/t/lib/features.sh --libs $(CC)
CHECK_CFLAGS != pkg-config --cflags check 2>/dev/null || true
CHECK_LIBS != pkg-config --libs check 2>/dev/null || echo -lcheck -lm -lpthread

# What compiler and linker can do against attacks.
HARDEN != sh src/t/lib/features.sh --harden "$(CC)" "$(CFLAGS) $(LDFLAGS)"
HARDEN_LINK != sh src/t/lib/features.sh --harden-link "$(CC)" "$(CFLAGS) $(LDFLAGS)"

# Nothing unwinds the stack at run time, and debuggers have tables of their own: a seventh of the program.
# Functions, jumps and loops that begin at a multiple of 16 are 5 %, and no faster as far as can be measured.
LEAN != sh src/t/lib/features.sh --lean $(CC)

PATHS = -DSPOOLDIR='"$(SPOOLDIR)"' -DSYSCONFDIR='"$(SYSCONFDIR)"' -DSORTIEUSER='"$(SORTIEUSER)"' \
	-DPROGRAM='"$(SBINDIR)/sortie"' -DDATADIR='"$(DATADIR)"'
COMPILE = $(CC) -std=c11 -D_DEFAULT_SOURCE $(WARN) -Isrc -Isrc/t/lib $(FEATURES) $(CHECK_CFLAGS) \
	$(PATHS) $(HARDEN) $(LEAN) $(CFLAGS) -MMD -MP -c

# For every source a rule that compiles it, and the lists OBJ_LIB, OBJ_TESTS, ...: rules.sh writes
# them into a file, because POSIX make has no rule that maps src/x/y.c to build/x/y.o.
RULES != sh src/t/lib/rules.sh $(BUILD) \
	"$(CC) $(FEATURES) $(HARDEN) $(LEAN) $(CFLAGS) $(SPOOLDIR) $(SYSCONFDIR) $(SORTIEUSER)" \
	MAIN src/main.c FRONT src/front.c SORTIECTL src/ctl/sortiectl.c CTL $(CTL) CRYPTO $(CRYPTO) LIB $(TOP) $(PROTO) $(DNS) $(SPOOL) $(LOCAL) $(NET) $(BASE) \
	TESTS $(TESTS) KIT $(KIT) FUZZ $(FUZZ) src/t/fuzz/targets.c src/t/fuzz/slow_input.c \
	REPLAY src/t/fuzz/replay.c LIBFUZZER src/t/fuzz/libfuzzer.c SOCKET src/t/fuzz/socket.c \
	ORACLE src/t/lib/smtp_oracle.c src/t/lib/smtp_wire.c \
	DEMO src/t/demo/world.c SINK src/t/bench/sink.c src/t/bench/sink_smtp.c src/t/bench/sink_tls.c \
	src/t/bench/sink_client.c src/t/bench/sink_grey.c NSFAKE src/t/bench/nsfake.c \
	FLOOR src/t/bench/floor.c FILL src/t/bench/fill.c BS src/t/bench/bs.c \
	MEASURE src/t/bench/measure.c src/t/bench/procs.c \
	KILL src/t/kill/kill.c \
	PROGRAM src/t/whole/check_whole.c src/t/whole/kit.c src/t/whole/whole_submit.c src/t/whole/whole_smtp.c src/t/whole/whole_aliases.c src/t/whole/whole_front.c \
	src/t/whole/whole_background.c src/t/whole/whole_runners.c src/t/whole/whole_signals.c \
	src/t/whole/whole_tls.c src/t/whole/whole_hostile.c src/t/whole/whole_keeper.c src/t/whole/whole_helpers.c src/t/whole/whole_ctl.c src/t/whole/whole_trace.c src/t/whole/whole_check.c src/t/whole/whole_local.c src/t/whole/whole_import.c \
	src/t/whole/whole_sites.c \
	RESOURCES src/t/fault/resources.c src/t/fault/resources_post.c src/t/fault/resources_disk.c \
	PRIVILEGE src/t/privilege/check_privilege.c src/t/privilege/users.c \
	src/t/privilege/identity.c src/t/privilege/strangers.c src/t/privilege/hostile.c src/t/privilege/mailboxes.c \
	CONFINE src/t/confine/tries.c src/t/confine/granted.c src/t/confine/refused.c \
	PORTS src/t/interop/ports.c \
	FAULTKIT src/t/fault/tracer.c src/t/fault/receiver.c src/t/fault/scene.c src/t/fault/judge.c \
	src/t/fault/tree.c src/t/fault/afterwards.c \
	EACH src/t/fault/kill_each.c src/t/fault/errors.c KILLLOCAL src/t/fault/kill_local.c CUT src/t/fault/cut.c src/t/fault/record.c \
	DISK src/t/fault/disk.c src/t/fault/disk_states.c

# Where the front finds the program: a file that is new when it is another place.
PLACED != mkdir -p $(BUILD); echo "$(SBINDIR)" | cmp -s - $(BUILD)/sbindir || \
	echo "$(SBINDIR)" > $(BUILD)/sbindir

all: sortie $(BUILD)/sendmail $(BUILD)/sortiectl

include $(BUILD)/rules.mk

sortie: $(BUILD)/sortie
	ln -sf $(BUILD)/sortie sortie

$(BUILD)/sortie: $(OBJ_MAIN) $(BUILD)/libsortie.a
	$(CC) $(HARDEN) $(CFLAGS) $(HARDEN_LINK) $(LDFLAGS) -o $@ $(OBJ_MAIN) $(BUILD)/libsortie.a $(LIBS)

$(BUILD)/program.o: $(BUILD)/sbindir

# Of the library only what taking mail in needs, so no OpenSSL: make hardened looks.
$(BUILD)/sendmail: $(OBJ_FRONT) $(BUILD)/libsortie.a
	$(CC) $(HARDEN) $(CFLAGS) $(HARDEN_LINK) $(LDFLAGS) -o $@ $(OBJ_FRONT) $(BUILD)/libsortie.a

$(BUILD)/sortiectl: $(OBJ_SORTIECTL) $(OBJ_CTL) $(BUILD)/libsortie.a
	$(CC) $(HARDEN) $(CFLAGS) $(HARDEN_LINK) $(LDFLAGS) -o $@ $(OBJ_SORTIECTL) $(OBJ_CTL) $(BUILD)/libsortie.a $(LIBS)

# The front, linked statically with a C library that is small and starts at once: half the time of a call.
# make install FRONT=build/static/sendmail
MUSL = musl-gcc
static-front: $(BUILD)/sortie
	@mkdir -p $(BUILD)/static && ln -sf ../sortie $(BUILD)/static/sortie
	@$(MAKE) BUILD=$(BUILD)/static CC="$(MUSL)" CRYPTO= CFLAGS="$(CFLAGS) -DNO_NSS" LDFLAGS=-static \
		SBINDIR="$(SBINDIR)" $(BUILD)/static/sendmail

$(BUILD)/libsortie.a: $(OBJ_LIB) $(OBJ_CRYPTO)
	rm -f $@
	$(AR) -rcs $@ $(OBJ_LIB) $(OBJ_CRYPTO)

$(OBJ_CRYPTO): $(BUILD)/openssl

# Whether its headers are there, said once and plainly.
$(BUILD)/openssl: $(BUILD)/flags
	@sh src/t/lib/features.sh --openssl $(CC)
	@touch $@

$(BUILD)/check: $(OBJ_KIT) $(OBJ_TESTS) $(OBJ_DISK) $(OBJ_ORACLE) $(OBJ_CTL) $(BUILD)/t/suites.o $(BUILD)/libsortie.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_KIT) $(OBJ_TESTS) $(OBJ_DISK) $(OBJ_ORACLE) $(OBJ_CTL) $(BUILD)/t/suites.o \
		$(BUILD)/libsortie.a $(LIBS) $(CHECK_LIBS)

# --- tests ---

check:
	@CC="$(CC)" sh src/t/lib/deps.sh
	@$(MAKE) -j $(J) run-check

# Builds all of them and runs none.
tests: $(BUILD)/sortie $(BUILD)/sendmail $(BUILD)/tries $(BUILD)/check-privilege $(BUILD)/check $(BUILD)/check-whole $(BUILD)/sink \
	$(BUILD)/kill $(BUILD)/kill-each $(BUILD)/kill-local $(BUILD)/cut $(BUILD)/nsfake $(BUILD)/floor $(BUILD)/fill $(BUILD)/bs $(BUILD)/world $(BUILD)/ports \
	$(BUILD)/fuzz-replay $(BUILD)/fuzz-socket

# Beside each other under -j: the suites compute, the others mostly wait for the disk.
run-check: tables figures manuals confine privilege suites whole completion kill scarce kill-each power-cuts fuzz-smoke hardened

suites: $(BUILD)/check
	$(RUN) $(BUILD)/check -j $(J)

# The program as it is, with real files and sockets.
whole: $(BUILD)/check-whole $(BUILD)/sortie $(BUILD)/sendmail $(BUILD)/sink $(BUILD)/sortiectl
	$(BUILD)/check-whole $(BUILD)/sortie $(BUILD)/sendmail $(BUILD)/sink $(BUILD)/sortiectl

kill: $(BUILD)/sortie $(BUILD)/sink $(BUILD)/kill
	$(BUILD)/kill $(BUILD)/sortie $(BUILD)/sink --kills 20 --messages 100
	$(BUILD)/kill $(BUILD)/sortie $(BUILD)/sink --kills 10 --messages 200 --ahead 8
	$(BUILD)/kill $(BUILD)/sortie $(BUILD)/sink --together 2 --messages 200

# The program with too little of something: every 20th limit.
scarce: $(BUILD)/sortie $(BUILD)/sink $(BUILD)/resources
	$(BUILD)/resources $(BUILD)/sortie $(BUILD)/sink --every 20

# Each system call of the whole program fails in each of its ways; a minute on two idle processors.
fault-program: $(BUILD)/check
	FAULT_STEP=1 FAULT_JOBS=$(J) $(BUILD)/check fault_program

# Every limit, and disks of every size where root may mount them; a minute.
fault-resources: $(BUILD)/sortie $(BUILD)/sink $(BUILD)/resources
	$(BUILD)/resources $(BUILD)/sortie $(BUILD)/sink

# Ten runners at once; one stopped while another works. A minute, most of it waiting.
fault-runners: $(BUILD)/sortie $(BUILD)/sink $(BUILD)/kill
	$(BUILD)/kill $(BUILD)/sortie $(BUILD)/sink --together 10
	$(BUILD)/kill $(BUILD)/sortie $(BUILD)/sink --stops 20

# Killed at every 17th of its system calls; `make fault` takes all of them.
kill-each: $(BUILD)/sortie $(BUILD)/sendmail $(BUILD)/kill-each $(BUILD)/kill-local
	$(BUILD)/kill-each $(BUILD)/sortie $(BUILD)/sendmail --every 17 --jobs $(J)
	$(BUILD)/kill-local $(BUILD)/sortie --every 197

# The power fails at a few moments of each scene; `make fault` takes thousands.
power-cuts: $(BUILD)/sortie $(BUILD)/sendmail $(BUILD)/cut
	$(BUILD)/cut $(BUILD)/sortie $(BUILD)/sendmail --sample 4 --jobs $(J)

# Every fault at every place, for minutes, and a table at the end: killed at each system call, each call
# failing, the power cut between any two, too little of everything.
fault: $(BUILD)/sortie $(BUILD)/sendmail $(BUILD)/sink $(BUILD)/check $(BUILD)/kill $(BUILD)/kill-each $(BUILD)/kill-local $(BUILD)/cut \
	$(BUILD)/resources
	@sh src/t/fault/table.sh $(BUILD) $(J)

# The programs are built as they were meant to be.
hardened: $(BUILD)/sortie $(BUILD)/sendmail $(BUILD)/sortiectl
	@sh src/t/lint/hardened.sh $(BUILD)/sortie
	@sh src/t/lint/hardened.sh $(BUILD)/sendmail
	@sh src/t/lint/hardened.sh $(BUILD)/sortiectl
	@sh src/t/lint/front.sh $(BUILD)/sendmail

# What shells know of sortiectl.
completion: $(BUILD)/sortiectl
	@sh src/t/system/completion_test.sh $(BUILD)/sortiectl

# Installing; and several users of what was installed, for root.
privilege: $(BUILD)/sortie $(BUILD)/sendmail $(BUILD)/sortiectl $(BUILD)/check-privilege
	@sh src/t/privilege/install.sh $(BUILD)
	@sh src/t/privilege/run.sh $(BUILD) "$(MAKE)"

# The programs whose compiled-in places are below PLACE.
ELSEWHERE = $(PLACE)/program.o $(PLACE)/config.o $(BUILD)/libsortie.a
privilege-program: $(OBJ_MAIN) $(BUILD)/libsortie.a
	@for f in program config; do $(COMPILE) -USPOOLDIR -DSPOOLDIR='"$(PLACE)/spool"' \
		-USYSCONFDIR -DSYSCONFDIR='"$(PLACE)/etc"' -UPROGRAM -DPROGRAM='"$(PLACE)/sbin/sortie"' \
		-o $(PLACE)/$$f.o src/$$f.c || exit 1; done
	@$(CC) $(HARDEN) $(CFLAGS) $(HARDEN_LINK) $(LDFLAGS) -o $(PLACE)/program $(OBJ_MAIN) \
		$(ELSEWHERE) $(LIBS)
	@$(CC) $(HARDEN) $(CFLAGS) $(HARDEN_LINK) $(LDFLAGS) -o $(PLACE)/front $(OBJ_FRONT) \
		$(ELSEWHERE)
	@$(CC) $(HARDEN) $(CFLAGS) $(HARDEN_LINK) $(LDFLAGS) -o $(PLACE)/ctl $(OBJ_SORTIECTL) $(OBJ_CTL) \
		$(ELSEWHERE) $(LIBS)

# Through other people's servers, where they are installed; src/t/interop/lib.sh says how to name some.
interop: $(BUILD)/sortie $(BUILD)/ports
	@sh src/t/interop/run.sh $(BUILD)/sortie $(BUILD)/ports $(SERVERS)

# The manuals say all that there is, and their examples work.
manuals: $(BUILD)/sortie $(BUILD)/sendmail $(BUILD)/sortiectl $(BUILD)/sink
	@sh src/t/manual/tables.sh
	@sh src/t/manual/examples.sh $(BUILD)

# On whole systems of its own; src/t/system/run.sh says what that takes. PARTS="calls users fresh" chooses.
system:
	@$(MAKE) -s -j $(J) BUILD=$(BUILD)/usr PREFIX=/usr $(BUILD)/usr/sortie $(BUILD)/usr/sendmail $(BUILD)/usr/sortiectl
	@sh src/t/system/run.sh $(BUILD) $(PARTS)

# systemd starts what src/system has for it; ten seconds, as root where there is systemd.
units: $(BUILD)/sink
	@$(MAKE) -s -j $(J) BUILD=$(BUILD)/usr PREFIX=/usr $(BUILD)/usr/sortie $(BUILD)/usr/sendmail $(BUILD)/usr/sortiectl
	@sh src/t/system/units.sh $(BUILD)

# What a run that has confined itself may still do, and what it may not.
confine: $(BUILD)/tries
	$(BUILD)/tries

# kill -9 at 200 random moments; half a minute.
kill-test: $(BUILD)/sortie $(BUILD)/sink $(BUILD)/kill
	$(BUILD)/kill $(BUILD)/sortie $(BUILD)/sink

# Every workload with every program that can be had: half an hour as root on an idle machine.
# BENCHFLAGS='-w "a1k h1" -p "sortie postfix" -n 2' is some of it; see src/t/bench/run.sh.
bench:
	@CC="$(CC)" sh src/t/lib/deps.sh
	@$(MAKE) -s -j $(J) bench-programs
	@BUILD=$(BUILD) sh src/t/bench/run.sh $(BENCHFLAGS)

bench-programs: $(BUILD)/sortie $(BUILD)/sink $(BUILD)/nsfake $(BUILD)/floor $(BUILD)/fill \
	$(BUILD)/bs $(BUILD)/slowsync.so $(BUILD)/measure $(BUILD)/sendmail

# The benchmark's tables, from figures that were made up.
tables:
	@sh src/t/bench/report_test.sh

# What the benchmark measures with, which is for Linux.
MEASURE != [ `uname` != Linux ] || echo $(BUILD)/measure
OTHER_SIDE != [ `uname` != Linux ] || echo $(BUILD)/sortie $(BUILD)/sink $(BUILD)/nsfake \
	$(BUILD)/floor $(BUILD)/fill $(BUILD)/bs
figures: $(MEASURE) $(OTHER_SIDE)
	@[ -z "$(MEASURE)" ] || sh src/t/bench/measure_test.sh $(MEASURE)
	@[ -z "$(OTHER_SIDE)" ] || sh src/t/bench/sink_test.sh $(BUILD)
	@[ -z "$(OTHER_SIDE)" ] || sh src/t/bench/bs_test.sh $(BUILD)/bs

WHOLE = $(BUILD)/t/lib/whole.o $(BUILD)/libsortie.a
TLSKIT = $(BUILD)/t/lib/certs.o $(BUILD)/t/lib/tls_server.o

$(BUILD)/sink: $(OBJ_SINK) $(TLSKIT) $(WHOLE)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_SINK) $(TLSKIT) $(WHOLE) $(LIBS)

$(BUILD)/floor: $(OBJ_FLOOR) $(BUILD)/libsortie.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_FLOOR) $(BUILD)/libsortie.a $(LIBS)

$(BUILD)/fill: $(OBJ_FILL) $(BUILD)/libsortie.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_FILL) $(BUILD)/libsortie.a $(LIBS)

$(BUILD)/bs: $(OBJ_BS) $(BUILD)/libsortie.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_BS) $(BUILD)/libsortie.a $(LIBS)

$(BUILD)/slowsync.so: src/t/bench/slowsync.c
	$(CC) -std=c11 -D_DEFAULT_SOURCE $(WARN) $(CFLAGS) -fPIC -shared -o $@ src/t/bench/slowsync.c

$(BUILD)/check-whole: $(OBJ_PROGRAM) $(TLSKIT) $(WHOLE)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_PROGRAM) $(TLSKIT) $(WHOLE) $(LIBS) $(CHECK_LIBS)

$(BUILD)/check-privilege: $(OBJ_PRIVILEGE) $(BUILD)/t/whole/kit.o $(WHOLE)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_PRIVILEGE) $(BUILD)/t/whole/kit.o $(WHOLE) $(LIBS) \
		$(CHECK_LIBS)

$(BUILD)/tries: $(OBJ_CONFINE) $(WHOLE)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_CONFINE) $(WHOLE) $(LIBS)

$(BUILD)/ports: $(OBJ_PORTS) $(BUILD)/libsortie.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_PORTS) $(BUILD)/libsortie.a $(LIBS)

$(BUILD)/nsfake: $(OBJ_NSFAKE) $(BUILD)/t/lib/dns_fake.o $(WHOLE)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_NSFAKE) $(BUILD)/t/lib/dns_fake.o $(WHOLE) $(LIBS)

# Linux alone has what it needs; make bench builds it, make check does not.
$(BUILD)/measure: $(OBJ_MEASURE) $(WHOLE)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_MEASURE) $(WHOLE) $(LIBS)

$(BUILD)/resources: $(OBJ_RESOURCES) $(WHOLE)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_RESOURCES) $(WHOLE) $(LIBS)

$(BUILD)/kill: $(OBJ_KILL) $(WHOLE)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_KILL) $(WHOLE) $(LIBS)

FAULTKIT = $(OBJ_FAULTKIT) $(BUILD)/t/lib/dns_fake.o $(WHOLE)

$(BUILD)/kill-each: $(OBJ_EACH) $(FAULTKIT)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_EACH) $(FAULTKIT) $(LIBS)

$(BUILD)/kill-local: $(OBJ_KILLLOCAL) $(FAULTKIT)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_KILLLOCAL) $(FAULTKIT) $(LIBS)

$(BUILD)/cut: $(OBJ_CUT) $(OBJ_DISK) $(FAULTKIT)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_CUT) $(OBJ_DISK) $(FAULTKIT) $(LIBS)

INSTALL = PROGRAM=$(BUILD)/sortie FRONT=$(FRONT) CTL=$(BUILD)/sortiectl DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" \
	SBINDIR="$(SBINDIR)" BINDIR="$(BINDIR)" MANDIR="$(MANDIR)" DATADIR="$(DATADIR)" ZSHDIR="$(ZSHDIR)" \
	SYSCONFDIR="$(SYSCONFDIR)" SPOOLDIR="$(SPOOLDIR)" \
	SORTIEUSER="$(SORTIEUSER)" sh src/install.sh

# Into PREFIX, or below DESTDIR for a package; says what it cannot do.
install: $(BUILD)/sortie $(FRONT) $(BUILD)/sortiectl
	@$(INSTALL) install

uninstall:
	@$(INSTALL) uninstall

demo:
	@CC="$(CC)" sh src/t/lib/deps.sh
	@$(MAKE) -s -j $(J) all $(BUILD)/world
	@sh src/t/demo/demo.sh $(BUILD)/sortie $(BUILD)/world

$(BUILD)/world: $(OBJ_DEMO) $(BUILD)/t/lib/dns_fake.o $(BUILD)/libsortie.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_DEMO) $(BUILD)/t/lib/dns_fake.o $(BUILD)/libsortie.a $(LIBS)

# AddressSanitizer and UBSan in one.
check-asan:
	@$(MAKE) BUILD=build/asan LDFLAGS=-fsanitize=address,undefined \
		CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
			-fno-omit-frame-pointer" check

check-ubsan:
	@$(MAKE) BUILD=build/ubsan LDFLAGS=-fsanitize=undefined \
		CFLAGS="-O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined" check

check-valgrind:
	@$(MAKE) BUILD=build/valgrind CFLAGS="-O1 -g" RUN="sh src/t/lib/valgrind.sh" check

# gcov's line coverage, a line a file.
cov:
	@$(MAKE) BUILD=build/cov CFLAGS="-O0 -g --coverage -DNO_CONFINE" check
	@sh src/t/lib/cov.sh build/cov

# Replays every corpus once, with any compiler.
fuzz-smoke: $(BUILD)/fuzz-replay $(BUILD)/fuzz-socket
	$(BUILD)/fuzz-replay src/t/fuzz/corpus/*
	$(BUILD)/fuzz-socket src/t/fuzz/socket/*

$(BUILD)/fuzz-replay: $(OBJ_REPLAY) $(OBJ_FUZZ) $(OBJ_ORACLE) $(WHOLE)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_REPLAY) $(OBJ_FUZZ) $(OBJ_ORACLE) $(WHOLE) $(LIBS)

$(BUILD)/fuzz-socket: $(OBJ_SOCKET) $(WHOLE)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(OBJ_SOCKET) $(WHOLE) $(LIBS)

# libFuzzer programs, build/fuzz/fuzz_NAME; needs clang and its runtime.
fuzz:
	@$(MAKE) -j $(J) BUILD=build/fuzz CC=clang LDFLAGS=-fsanitize=address,undefined \
		CFLAGS="-O1 -g -fsanitize=fuzzer-no-link,address,undefined \
			-fno-sanitize-recover=undefined" fuzz-programs

# One program: the name that it is called by chooses the target.
fuzz-programs: $(BUILD)/libfuzzer
	@for f in $(FUZZ); do name=$${f##*/}; ln -sf libfuzzer $(BUILD)/$${name%.c}; done

$(BUILD)/libfuzzer: $(OBJ_LIBFUZZER) $(OBJ_FUZZ) $(OBJ_ORACLE) $(WHOLE)
	$(CC) $(CFLAGS) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(OBJ_LIBFUZZER) $(OBJ_FUZZ) \
		$(OBJ_ORACLE) $(WHOLE) $(LIBS)

# Every target for FUZZTIME seconds, J at a time, and a table; TARGETS names some of them.
FUZZTIME = 60
fuzz-run: fuzz
	@sh src/t/fuzz/run.sh build/fuzz $(FUZZTIME) $(J) $(TARGETS)

# The program over real sockets under AFL++, for FUZZTIME seconds.
afl:
	@AFL_USE_ASAN=1 AFL_USE_UBSAN=1 AFL_QUIET=1 $(MAKE) -j $(J) BUILD=build/afl \
		CC=afl-clang-fast CFLAGS="-O1 -g" build/afl/fuzz-socket
	@sh src/t/fuzz/afl.sh build/afl $(FUZZTIME)

# --- looking at the source ---

lint:
	@sh src/t/lint/lint.sh

fmt-check:
	clang-format --dry-run -Werror `find src -name '*.[ch]'`

clean:
	rm -rf build sortie

.PHONY: all static-front install uninstall check run-check tests tables figures manuals units confine suites whole completion kill scarce power-cuts fault-program fault-resources \
	fault-runners hardened privilege privilege-program system interop kill-test bench bench-programs tables demo check-asan check-ubsan \
	check-valgrind cov fuzz-smoke fuzz fuzz-run afl \
	fuzz-programs lint fmt-check clean
