/*
 * helper_local.c: the local helper's life: who has one, and as whom it works.
 *
 * Where mboxes are is the one thing in it that the configuration says, and for that file's sake a child may get
 * a group (local/serve.c). So root starts it for a configuration of root's alone.
 */
#include "helper_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "local/local.h"
#include "privilege.h"

static const char not_root[] = "local delivery needs a queue run started by root (or lmtp:)";

static struct {
	struct helper helper;
	bool root;
	const char *why; /* whom it does not serve, as there is none, or it is not root's */
	struct local_options options;
} the = {.helper = {.fd = -1, .pid = -1}, .why = not_root};

static void
serve(int sock, const void *options)
{
	if (privilege_stay_root() == 0)
		local_serve(sock, options);
}

/* NULL: one may be started. */
static const char *
forbids(const struct config *c)
{
	if (privilege_caller() != 0)
		return privilege_is_set_id() ? not_root : NULL;
	return c->roots ? NULL
			: "local delivery needs a configuration file that belongs to root and that "
			  "nobody else can write to";
}

void
helper_local_begin(const struct config *c)
{
	bool mbox = c->local == CONFIG_LOCAL_MBOX;
	const char *why;

	if (!mbox && c->local != CONFIG_LOCAL_MAILDIR)
		return;
	if ((why = forbids(c)) != NULL) {
		the.why = why;
		return;
	}
	the.root = privilege_caller() == 0;
	the.options = (struct local_options){
	    .maildir = mbox ? NULL : c->local_path,
	    .spool = mbox ? c->local_path : NULL,
	};
	if (helper_start(&the.helper, "sortie-local", false, serve, &the.options) == -1)
		the.why = "the process that writes mailboxes could not be started";
}

int
helper_local(const char **why)
{
	*why = the.why;
	return the.helper.fd;
}

bool
helper_local_is_root(void)
{
	return the.root;
}

void
helper_local_end(void)
{
	if (the.helper.pid != -1)
		helper_end(&the.helper);
}

void
helper_local_set(int sock, bool root)
{
	the.helper = (struct helper){.fd = sock, .pid = -1};
	the.root = root;
	the.why = not_root;
}
