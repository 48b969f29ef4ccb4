// SPDX-License-Identifier: Apache-2.0
/* UTF-8 (RFC 3629): whether bytes are text. */
#ifndef CPS_BASE_UTF8_H
#define CPS_BASE_UTF8_H

#include "base/bytes.h"

/** Whether all of `b` is well-formed UTF-8: no overlong form, no surrogate, nothing above U+10FFFF (RFC 3629 §4). */
bool cps_utf8_valid(cps_bytes_t b);

#endif /* CPS_BASE_UTF8_H */
