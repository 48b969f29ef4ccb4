// SPDX-License-Identifier: Apache-2.0
/* The COSE structures that OSCORE needs (RFC 9052 §5.3): the bytes that an AEAD authenticates. */
#ifndef CPS_WIRE_COSE_H
#define CPS_WIRE_COSE_H

#include "wire/cbor.h"

/** Enc_structure = ["Encrypt0", protected (empty bstr), external_aad (bstr)] as one byte string of CBOR. */
void cps_cose_put_enc_structure(cps_writer_t *w, cps_bytes_t external_aad);

#endif /* CPS_WIRE_COSE_H */
