/*
 * sortie_background.h: delivery of what has just been submitted, without keeping the submitter.
 */
#ifndef SORTIE_BACKGROUND_H
#define SORTIE_BACKGROUND_H

#include "config.h"
#include "spool/spool.h"

/* Wakes whoever runs, or leaves a child behind that does. Whatever goes wrong: it is queued. */
void sortie_deliver_in_background(struct spool *sp, struct config *config, long long uid);

#endif
