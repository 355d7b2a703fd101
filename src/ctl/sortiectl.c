/*
 * sortiectl.c: main() of the operators' program, and the table of its commands.
 */
#include <errno.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/str.h"
#include "ctl/ctl.h"
#include "ctl/ctl_select.h"
#include "ctl/ctl_term.h"
#include "sortie.h"

#ifndef VERSION
#define VERSION "0"
#endif

#define ACTING_HELP "  -n, --dry-run        only lists what is meant\n" SELECTION_HELP
#define ONLY_THOSE_HELP "With --recipient or --site other recipients of a message keep it.\n"

static const struct ctl_command commands[] = {
    {"list", ctl_list, CTL_SPOOL, "[--json] [SELECTION]", "what is queued, a line a message",
	SELECTION_HELP},
    {"show", ctl_show, CTL_SPOOL, "ID...", "all that is known of a message", NULL},
    {"cat", ctl_cat, CTL_SPOOL, "[--raw] ID", "the message itself",
	"  --raw                as it is sent, with CRLF\n"},
    {"retry", ctl_retry, CTL_SPOOL, "[-n] SELECTION", "makes messages due now", ACTING_HELP},
    {"hold", ctl_hold, CTL_SPOOL, "[-n] SELECTION", "keeps messages until they are released",
	ACTING_HELP},
    {"release", ctl_release, CTL_SPOOL, "[-n] SELECTION", "ends that, and makes them due",
	ACTING_HELP},
    {"remove", ctl_remove, CTL_SPOOL, "[-n] SELECTION", "throws messages away; nobody is told",
	ACTING_HELP ONLY_THOSE_HELP},
    {"bounce", ctl_bounce, CTL_SPOOL, "[-n] SELECTION", "returns messages to their senders",
	ACTING_HELP ONLY_THOSE_HELP},
    {"shape", ctl_shape, CTL_SPOOL, "[--sender] [--json]",
	"how long mail has waited for which site, in minutes",
	"  --sender             from which site\n"},
    {"sites", ctl_sites, CTL_SPOOL, "[--json | --hoststat | --forget] [SITE]...",
	"what runs have seen of each destination",
	"  --hoststat           as sendmail's hoststat shows it\n"
	"  --forget             forgets that, and counts from 0\n"
	"  SITE                 as it is listed, a domain or a host: all that is known\n"
	"                       of it\n"},
    {"stats", ctl_stats, CTL_NOTHING, "[--json | --prometheus] [--output FILE]",
	"what was counted since when, and the queue now",
	"  --prometheus         as Prometheus reads it\n"
	"  --output FILE        into a file, which is replaced when all of it is there\n"},
    {"trace", ctl_trace, CTL_SPOOL, "[SITE] | --show SITE | --off [SITE] | --json",
	"keeps the next conversation with a site",
	"  SITE                 a domain, the name of a host, \"relay HOST:PORT\";\n"
	"                       without it, a list of what is asked for and what is kept\n"
	"  --show SITE          what was said there\n"
	"  --off                forgets it; without a SITE, all of them\n"},
    {"check", ctl_check, CTL_NOTHING, "[-n] [--json] [--program FILE] [DOMAIN]",
	"what is wrong with the installation, and what to type",
	"  -n, --no-network     asks nobody\n"
	"  --program FILE       this one, and the front beside it\n"
	"  DOMAIN               its servers are tried; nothing is sent\n"},
    {"import", ctl_import, CTL_NOTHING,
	"PROGRAM [--write] [FILE]\n"
	"       sortiectl import PROGRAM --queue [--remove] [-n] [FOLDER]",
	"what another program was told, or has queued",
	"  PROGRAM              dma, nullmailer, msmtp, ssmtp: its configuration becomes\n"
	"                       one of ours\n"
	"  --write              is written, if there is none yet, instead of printed\n"
	"  --queue              dma, nullmailer, msmtpq, citadel: its mail is taken over\n"
	"  --remove             and removed there; without it, it stays, and is not\n"
	"                       taken twice\n"
	"  -n, --dry-run        only lists what is meant\n"},
};

enum { NCOMMANDS = sizeof(commands) / sizeof(commands[0]) };

static int
help(FILE *out)
{
	fputs("usage: sortiectl [-C FILE] COMMAND [OPTION]... [ID]...\n\n", out);
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	fputs("\nsortiectl help COMMAND says more about one of them.\n", out);
	return EX_OK;
}

static int
help_about(FILE *out, const struct ctl_command *command)
{
	fprintf(
	    out, "usage: sortiectl %s %s\n\n%s\n", command->name, command->synopsis, command->help);
	if (command->more != NULL)
		fprintf(out, "\n%s", command->more);
	return EX_OK;
}

static const struct ctl_command *
find_command(const char *name)
{
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int
no_such_command(const char *name)
{
	char shown[64];

	str_clean(shown, sizeof(shown), name, strlen(name));
	return ctl_fail(EX_USAGE, "there is no command %s; sortiectl help lists them", shown);
}

static int
run_help(int argc, char **argv)
{
	const struct ctl_command *command = argc > 1 ? find_command(argv[1]) : NULL;

	if (argc < 2)
		return help(stdout);
	return command == NULL ? no_such_command(argv[1]) : help_about(stdout, command);
}

static bool
asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

static int
prepare(struct ctl *c)
{
	int rc = EX_OK;

	if (c->command->needs != CTL_NOTHING)
		rc = ctl_take_rights(c);
	if (rc == EX_OK && c->command->needs == CTL_SPOOL)
		rc = ctl_open_spool(c);
	return rc;
}

/* A reader who has seen enough (head, less) is told nothing more, and need not hear of it. */
static int
finish(struct ctl *c, int rc)
{
	bool lost = fflush(c->out) != 0 || ferror(c->out);

	if (lost && errno != EPIPE && rc == EX_OK)
		rc = ctl_fail(EX_IOERR, "standard output: %s", strerror(errno));
	spool_close(&c->program.spool);
	config_free(&c->program.config);
	return rc;
}

static int
run_command(struct ctl *c, int argc, char **argv)
{
	int rc;

	c->command = find_command(argv[0]);
	if (c->command == NULL)
		return no_such_command(argv[0]);
	if (asks_for_help(argc, argv))
		return help_about(stdout, c->command);
	config_init(&c->program.config);
	rc = prepare(c);
	if (rc == EX_OK)
		rc = c->command->run(c, argc, argv);
	return finish(c, rc);
}

int
main(int argc, char **argv)
{
	struct ctl c = {.out = stdout};
	int i = 1;

	term_init(&c);
	sortie_safe_start();
	c.now = clock_wall_s();
	for (; i + 1 < argc && strcmp(argv[i], "-C") == 0; i += 2)
		c.program.options.config = argv[i + 1];
	if (i == argc || strcmp(argv[i], "-C") == 0) {
		help(stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[i], "--version") == 0) {
		printf("sortiectl %s\n", VERSION);
		return EX_OK;
	}
	if (strcmp(argv[i], "help") == 0 || strcmp(argv[i], "--help") == 0)
		return run_help(argc - i, argv + i);
	return run_command(&c, argc - i, argv + i);
}
