// SPDX-License-Identifier: Apache-2.0
/* What a world tells: a line for each thing that happens, datagrams in words. */
#include "sim/look.h"
#include "sim/world_life.h"

#include <stdarg.h>

#define SHOWN 32U /* bytes of a payload */

void cps_sim_say(const cps_world_t *w, const char *format, ...)
{
    va_list args;
    if (w->trace == NULL)
        return;
    fprintf(w->trace, "%12.6f  ", (double)w->ledger.now_us / 1e6);
    va_start(args, format);
    vfprintf(w->trace, format, args);
    va_end(args);
    fputc('\n', w->trace);
}

static void say_hex(FILE *to, const char *what, cps_bytes_t bytes)
{
    char text[2 * SHOWN + 1];
    size_t len = bytes.len < SHOWN ? bytes.len : SHOWN;
    if (bytes.len != 0 && cps_hex_encode(cps_bytes(bytes.ptr, len), text, sizeof text))
        fprintf(to, " %s %s%s", what, text, len < bytes.len ? "..." : "");
}

/* An option that is text, unless the attacker has been at it. */
static void say_text(FILE *to, const cps_option_t *option)
{
    fprintf(to, " %u:", option->number);
    for (size_t i = 0; i < option->value.len; i++) {
        uint8_t c = option->value.ptr[i];
        if (c > 0x20 && c < 0x7f)
            fputc(c, to);
        else
            fprintf(to, "%%%02x", c);
    }
}

static void say_options(FILE *to, const cps_look_t *look)
{
    cps_opt_walk_t walk = cps_opt_walk(look->msg.options);
    for (cps_option_t option; cps_opt_next(&walk, &option);)
        if (option.number == CPS_OPT_OSCORE)
            fputs(" OSCORE", to);
        else if (option.number == CPS_OPT_URI_PATH || option.number == CPS_OPT_URI_QUERY ||
                 option.number == CPS_OPT_URI_HOST || option.number == CPS_OPT_PROXY_SCHEME)
            say_text(to, &option);
        else
            fprintf(to, " %u(%zu)", option.number, option.value.len);
    say_hex(to, "kid", look->oscopt.kid);
    say_hex(to, "piv", look->oscopt.partial_iv);
}

void cps_sim_say_datagram(const cps_world_t *w, const char *who, const char *does, cps_bytes_t bytes)
{
    static const char *const types[] = {"CON", "NON", "ACK", "RST"};
    cps_look_t look;
    if (w->trace == NULL)
        return;
    fprintf(w->trace, "%12.6f    %s %s", (double)w->ledger.now_us / 1e6, who, does);
    cps_look_at(bytes, &look);
    if (!look.coap) {
        fprintf(w->trace, " no CoAP,");
        say_hex(w->trace, "bytes", bytes);
    } else {
        fprintf(w->trace, " %s %u.%02u mid %04x", types[look.msg.type], cps_code_class(look.msg.code),
                cps_code_detail(look.msg.code), look.msg.mid);
        say_hex(w->trace, "token", look.msg.token);
        say_options(w->trace, &look);
        say_hex(w->trace, "payload", look.msg.payload);
    }
    fprintf(w->trace, " (%zu bytes)\n", bytes.len);
}
