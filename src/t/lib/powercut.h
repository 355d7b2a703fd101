/*
 * powercut.h: what a disk may hold after a power cut.
 *
 * Watches fsync(2) and fdatasync(2) on the spool of spooldir.h. When the power fails, each file holds
 * what it held at its last sync, and each directory what it held at its last sync or what it
 * holds now, one independent of the other: a file system may have written any of it by itself.
 */
#ifndef T_LIB_POWERCUT_H
#define T_LIB_POWERCUT_H

enum { POWERCUT_DISKS = 8 }; /* tmp, msg and ctl, each as synced or as it is */

void powercut_start(void); /* what is there now is durable */
/* Makes one of the possible disks; returns its path. It lasts until the next call. */
const char *powercut_disk(unsigned which);
void powercut_stop(void); /* sys.fsync and sys.fdatasync are as before */

#endif
