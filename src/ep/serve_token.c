// SPDX-License-Identifier: Apache-2.0
/* Tokens of requests that we answer: a long one (RFC 8974) is kept with the answers' bytes. */
#include "ep/ep.h"

bool cps_serve_keep_token(cps_ep_t *ep, cps_served_t *served, cps_bytes_t token)
{
    if (token.len > sizeof served->token)
        return cps_chain_put(&ep->answers, token, &served->long_token) == CPS_OK;
    cps_copy(served->token, token.ptr, token.len);
    served->token_len = (uint8_t)token.len;
    return true;
}

cps_bytes_t cps_serve_token(cps_ep_t *ep, const cps_served_t *served)
{
    if (served->long_token.len == 0)
        return cps_bytes(served->token, served->token_len);
    cps_chain_get(&ep->answers, &served->long_token, ep->token);
    return cps_bytes(ep->token, served->long_token.len);
}
