// SPDX-License-Identifier: Apache-2.0
/* Keys as other programs keep them:
 *
 *   aiocoap:FOLDER          settings.json and secret.json of a security context, with its sequence.json
 *   libcoap:FILE[,SEQ]      an OSCORE configuration file, and the file of coap-client's -E with its sequence number
 *
 * Their own program stops sending with a key that was taken over: its next number is set to 2^40, which none sends. */
#ifndef CPS_HOST_CRED_FOREIGN_H
#define CPS_HOST_CRED_FOREIGN_H

#include "host/cred.h"

/** One form. `c` is begun with what stands behind the prefix. */
typedef struct cps_cred_form {
    const char *prefix;

    /** Read a key: `has_next` where its number is known and not 2^40, `used` where it is that. The peer's numbers are not
     * taken over: Echo recovers the window. The errors of cps_cred_read; a name that cannot be ours is left empty. */
    cps_err_t (*read)(cps_conf_t *c, const cps_cred_options_t *options, cps_cred_t *out);

    /** Let the other program send no more with it, durably. CPS_ERR_EXISTS where that is so already, CPS_ERR_BUSY while a
     * process uses it, CPS_ERR_IO, CPS_ERR_NOT_FOUND where there is no file of its numbers. */
    cps_err_t (*mark_used)(cps_conf_t *c);

    /** Write a key that has sent numbers below `next`, as new files of mode 0600: all of them, or none after an error. */
    cps_err_t (*write)(cps_conf_t *c, const cps_store_key_t *key, uint64_t next);
} cps_cred_form_t;

extern const cps_cred_form_t cps_cred_aiocoap;
extern const cps_cred_form_t cps_cred_libcoap;

/** The form that a word begins with, and what stands behind its prefix; NULL for none. */
const cps_cred_form_t *cps_cred_form_of(const char *word, const char **rest);

/** Read a small file of numbers or settings whole: false where it cannot be, with errno. */
bool cps_cred_read_small(const char *path, char *to, size_t room);

/** Put `text` in the place of a file at once: another file of mode 0600, synced, takes its name. CPS_ERR_IO, in `c`. */
CPS_MUST_USE cps_err_t cps_cred_replace(cps_conf_t *c, const char *path, const char *text);

#endif /* CPS_HOST_CRED_FOREIGN_H */
