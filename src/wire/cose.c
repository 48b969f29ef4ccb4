// SPDX-License-Identifier: Apache-2.0
#include "wire/cose.h"

void cps_cose_put_enc_structure(cps_writer_t *w, cps_bytes_t external_aad)
{
    cps_cbor_put_array(w, 3);
    cps_cbor_put_tstr(w, "Encrypt0");
    cps_cbor_put_bstr(w, cps_bytes(NULL, 0)); /* RFC 8613 §5: the protected bucket is empty */
    cps_cbor_put_bstr(w, external_aad);
}
