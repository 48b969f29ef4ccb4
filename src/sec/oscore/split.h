// SPDX-License-Identifier: Apache-2.0
/* Which part of a message is protected (RFC 8613 §4.1): plaintext and outer options out of a plain message, and back. */
#ifndef CPS_SEC_OSCORE_SPLIT_H
#define CPS_SEC_OSCORE_SPLIT_H

#include "wire/opttab.h"

/**
 * Write the plaintext (§5.3): code, class E options delta-encoded among themselves, marker and payload. Uri-Host,
 * Uri-Port, Proxy-Uri and Proxy-Scheme stay outside; path and query of a Proxy-Uri become Uri-Path and Uri-Query inside
 * (§4.1.3.3). CPS_ERR_BAD_OPTION where an OSCORE option is there already (§4.1.3.7; OSC-33); CPS_ERR_BAD_URI.
 */
CPS_MUST_USE cps_err_t cps_oscore_write_plaintext(cps_writer_t *w, const cps_msg_t *plain);

/**
 * Write the outer options with the OSCORE option's `value` among them: class U options of `plain`, and outer copies of
 * class E/U options only where RFC 8613 asks for one (Observe; No-Response 26). A Proxy-Uri loses path and query.
 */
CPS_MUST_USE cps_err_t cps_oscore_write_outer(cps_writer_t *w, const cps_msg_t *plain, cps_bytes_t value);

/**
 * Join a decrypted plaintext with what stays of the outer message: outer class E options are dropped, outer Max-Age,
 * Observe, Block, No-Response and Echo do not reach the application (§4.1.3, §8.2 step 1; OSC-14, OSC-60). The joined
 * options are written to `w`; `out` views them and `plaintext`. Type, MID and token are the outer ones.
 * CPS_ERR_OSCORE_DECODE where the plaintext verified but is no message.
 */
CPS_MUST_USE cps_err_t cps_oscore_join(cps_writer_t *w, const cps_msg_t *outer, cps_bytes_t plaintext, cps_msg_t *out);

#endif /* CPS_SEC_OSCORE_SPLIT_H */
