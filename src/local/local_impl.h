/*
 * local_impl.h: what the local helper's child does once it is the user. Each returns an outcome and
 * writes the reason, or the .forward's text, into said (its ceiling is LOCAL_TEXT_MAX).
 *
 * All of it runs as the user, in a process of its own: it may wait, and it may be killed at any
 * instruction. Nothing is followed that the user, or somebody who may write beside him, put in place
 * of what is expected: no symbolic links, no devices, no other people's files.
 */
#ifndef LOCAL_LOCAL_IMPL_H
#define LOCAL_LOCAL_IMPL_H

#include "base/buf.h"
#include "local/local.h"

struct local_job {
	struct local_request request;
	const struct local_options *options;
	struct local_user user;
	int home; /* the home as a directory, opened as the user; -1: none, errno in home_error */
	int home_error;
};

enum local_outcome local_maildir(const struct local_job *job, struct buf *said);
enum local_outcome local_mbox(const struct local_job *job, struct buf *said);
enum local_outcome local_forward(const struct local_job *job, struct buf *said);

/* LOCAL_RETRY, said being "what: strerror(errno)". */
enum local_outcome local_trouble(struct buf *said, const char *what);

/*
 * Writes the message to fd as mailboxes have it: Return-Path and Delivered-To first, lines ending in
 * LF, the last one ended. quote_from: lines of ">...From " get one more ">" (the mboxrd form, which
 * can be undone). 0, or -1 and errno.
 */
int local_copy(const struct local_job *job, int fd, int quote_from);

#endif
