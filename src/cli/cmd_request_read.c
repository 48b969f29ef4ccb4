// SPDX-License-Identifier: Apache-2.0
/* The command line of a request: one row an option, with what it does. */
#include "cli/cmd.h"
#include "cli/cmd_request.h"
#include "cli/cmd_request_body.h"
#include "cli/show.h"
#include "wire/no_response.h"

#include <stdio.h>
#include <stdlib.h>

enum option {
    OPTION_METHOD,
    OPTION_TEXT,
    OPTION_FILE,
    OPTION_OUTPUT,
    OPTION_FORMAT,
    OPTION_ACCEPT,
    OPTION_OPTION,
    OPTION_BLOCK,
    OPTION_NON,
    OPTION_PROXY,
    OPTION_PROXY_URI,
    OPTION_TOKEN,
    OPTION_TIMEOUT,
    OPTION_VERBOSE,
    OPTION_QUIET,
    OPTION_JSON,
    OPTION_CREDENTIAL,
    OPTION_PLAIN,
    OPTION_SEALED,
    OPTION_STATE,
    OPTION_AGAIN,
    OPTION_IF_MATCH,
    OPTION_IF_NONE_MATCH,
    OPTION_ETAG,
    OPTION_NO_RESPONSE,
    OPTION_SECONDS,
    OPTION_LAST,
    OPTION_HELP,
    OPTION_COUNT, /* those of every request */
    OPTION_RAW = OPTION_COUNT,
    OPTION_ALL
};

static const cps_arg_row_t rows[OPTION_ALL] = {
    [OPTION_METHOD] = {'m', "method", "METHOD", "get, put, post, delete, fetch, patch or ipatch, without a command",
                       false},
    [OPTION_TEXT] = {'e', "payload", "TEXT", "send this text", false},
    [OPTION_FILE] = {'f', "file", "FILE", "send what is in a file; - is standard input", false},
    [OPTION_OUTPUT] = {'o', "output", "FILE", "write the body there instead of standard output", false},
    [OPTION_FORMAT] = {'t', "content-format", "FORMAT", "format of what is sent: number or name, as in json", false},
    [OPTION_ACCEPT] = {'A', "accept", "FORMAT", "format wanted", false},
    [OPTION_OPTION] = {'O', "option", "NUM,VALUE", "one more option; VALUE is text, a number, or 0x and hex", false},
    [OPTION_BLOCK] = {'b', "block", "SIZE", "bodies in blocks of at most SIZE bytes, 16 to 1024", false},
    [OPTION_NON] = {'N', "non", NULL, "send it Non-confirmable", false},
    [OPTION_PROXY] = {'P', "proxy", "URI", "through a forward proxy, by Proxy-Scheme", false},
    [OPTION_PROXY_URI] = {0, "proxy-uri", "URI", "through a forward proxy, by Proxy-Uri", false},
    [OPTION_TOKEN] = {'T', "token", "TOKEN", "this token: text, or 0x and hex; at most 8 bytes", false},
    [OPTION_TIMEOUT] = {'B', "timeout", "SECONDS", "how long all of it may take (93)", false},
    [OPTION_VERBOSE] = {'v', "verbose", NULL, "say what happens; more often, or -v7: more", true},
    [OPTION_QUIET] = {'q', "quiet", NULL, "only the body, and errors", false},
    [OPTION_JSON] = {0, "json", NULL, "the response as one JSON object", false},
    [OPTION_CREDENTIAL] = {0, "credential", "NAME", "seal with this one, whatever its pattern", false},
    [OPTION_PLAIN] = {0, "plain", NULL, "do not seal, even where a credential fits", false},
    [OPTION_SEALED] = {0, "sealed", NULL, "do not send unless a credential seals it", false},
    [OPTION_STATE] = {0, "state", "FILE", "the keyring", false},
    [OPTION_AGAIN] = {0, "again", NULL, "repeat a POST or PATCH although it may have been carried out", false},
    [OPTION_IF_MATCH] = {0, "if-match", "ETAG", "only if the resource has this ETag; \"\": if it exists", false},
    [OPTION_IF_NONE_MATCH] = {0, "if-none-match", NULL, "only if the resource does not exist", false},
    [OPTION_ETAG] = {0, "etag", "ETAG", "a version at hand: 2.03 says that it is still right", false},
    [OPTION_NO_RESPONSE] = {0, "no-response", NULL, "want no response at all, and wait for none", false},
    [OPTION_SECONDS] = {'s', "subscribe", "SECONDS", "observe it for so long; 0: until a signal", false},
    [OPTION_LAST] = {0, "count", "N", "observe it until so many notifications came", false},
    [OPTION_HELP] = {'h', "help", NULL, NULL, false},
    [OPTION_RAW] = {0, "raw", NULL, "the links as they came", false},
};

const cps_arg_row_t *cps_cmd_request_options(size_t *count)
{
    *count = OPTION_COUNT;
    return rows;
}

const cps_arg_row_t *cps_ask_rows(const cps_ask_t *ask, size_t *count)
{
    *count = ask->shape->show != NULL ? OPTION_ALL : OPTION_COUNT;
    return rows;
}

/* ---- methods ---- */

static const char *const methods[] = {"get", "post", "put", "delete", "fetch", "patch", "ipatch"}; /* codes from 0.01 */

#define METHOD_COUNT (sizeof methods / sizeof methods[0])

static int set_method(cps_ask_t *ask, const char *name)
{
    if (strcmp(name, "observe") == 0) {
        ask->observe = true;
        name = "get";
    }
    char lower[16] = "";
    for (size_t i = 0; i + 1 < sizeof lower && name[i] != '\0'; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        if (strcmp(methods[i], lower) != 0)
            continue;
        ask->method = (cps_code_t)(i + 1);
        return 0;
    }
    const char *near = cps_nearest(lower, methods, METHOD_COUNT);
    return cps_usage(ask->command, "there is no method \"%s\"; %s%s", name,
                     near != NULL ? "did you mean " : "see --help", near != NULL ? near : "");
}

/* ---- CoAP options ---- */

static int add_option(cps_ask_t *ask, uint16_t number, cps_bytes_t value)
{
    if (ask->option_count == CPS_ASK_OPTIONS_MAX || value.len > sizeof ask->bytes - ask->bytes_used)
        return cps_usage(ask->command, "too many options");
    uint8_t *kept = ask->bytes + ask->bytes_used;
    cps_copy(kept, value.ptr, value.len);
    ask->bytes_used += value.len;
    ask->options[ask->option_count++] = (cps_option_t){number, cps_bytes(kept, value.len)};
    return 0;
}

static int add_uint(cps_ask_t *ask, uint16_t number, uint32_t value)
{
    uint8_t buf[4];
    return add_option(ask, number, cps_opt_uint_bytes(value, buf));
}

static int add_bytes(cps_ask_t *ask, uint16_t number, const char *text)
{
    uint8_t buf[1100];
    size_t len = 0;
    if (!cps_arg_bytes(text, buf, sizeof buf, &len))
        return cps_usage(ask->command, "\"%s\" is no text of an option's length, and no hex behind 0x", text);
    return add_option(ask, number, cps_bytes(buf, len));
}

static int add_format(cps_ask_t *ask, uint16_t number, const char *text)
{
    uint16_t format = 0;
    if (cps_format_find(text, &format))
        return add_uint(ask, number, format);
    const char *near = cps_format_nearest(text);
    if (near != NULL)
        return cps_usage(ask->command, "there is no Content-Format \"%s\"; did you mean %s?", text, near);
    return cps_usage(ask->command, "there is no Content-Format \"%s\"; a number from 0 to 65535 is taken too", text);
}

/* NUM,VALUE. Options of a number are given as numbers: nobody means the digits of -O 14,60. */
static int add_numbered(cps_ask_t *ask, const char *text)
{
    char number_text[8] = "";
    uint64_t number = 0;
    uint64_t value = 0;
    size_t len = strcspn(text, ",");
    if (len < sizeof number_text)
        memcpy(number_text, text, len);
    if (len == 0 || len >= sizeof number_text || !cps_arg_number(number_text, UINT16_MAX, &number))
        return cps_usage(ask->command, "\"%s\" is no option: write its number, a comma and its value", text);
    const char *rest = text[len] == ',' ? text + len + 1 : "";
    const cps_opt_row_t *row = cps_opttab_find((uint16_t)number);
    if (row != NULL && row->format == CPS_OPT_FORMAT_UINT && cps_arg_number(rest, UINT32_MAX, &value))
        return add_uint(ask, (uint16_t)number, (uint32_t)value);
    return add_bytes(ask, (uint16_t)number, rest);
}

/* ---- values ---- */

static int set_subscribe(cps_ask_t *ask, const char *text)
{
    uint32_t ms = 0;
    if (!cps_arg_seconds(text, &ms) && strcmp(text, "0") != 0)
        return cps_usage(ask->command, "\"%s\" is no time: write seconds, as in 60, or 0 for as long as it goes", text);
    ask->observe = true;
    ask->observe_ms = ms;
    return 0;
}

static int set_count(cps_ask_t *ask, const char *text)
{
    uint64_t count = 0;
    if (!cps_arg_number(text, UINT32_MAX, &count) || count == 0)
        return cps_usage(ask->command, "\"%s\" is no number of notifications", text);
    ask->observe = true;
    ask->observe_count = (uint32_t)count;
    return 0;
}

static int set_timeout(cps_ask_t *ask, const char *text)
{
    if (cps_arg_seconds(text, &ask->timeout_ms))
        return 0;
    return cps_usage(ask->command, "\"%s\" is no time: write seconds, as in 5 or 0.5", text);
}

static int set_block(cps_ask_t *ask, const char *text)
{
    uint64_t size = 0;
    if (!cps_arg_number(text, 1024, &size) || size < 16)
        return cps_usage(ask->command, "\"%s\" is no block size: write 16, 32, 64, 128, 256, 512 or 1024", text);
    ask->block_size = (uint32_t)size;
    return 0;
}

static int set_token(cps_ask_t *ask, const char *text)
{
    if (!cps_arg_bytes(text, ask->token, sizeof ask->token, &ask->token_len) || ask->token_len == 0)
        return cps_usage(ask->command, "\"%s\" is no token: 1 to 8 bytes of text, or 0x and hex", text);
    return 0;
}

static int set_verbose(cps_ask_t *ask, const char *digits)
{
    uint64_t level = 0;
    if (digits == NULL)
        ask->verbose++;
    else if (cps_arg_number(digits, 9, &level))
        ask->verbose = (unsigned)level;
    else
        return cps_usage(ask->command, "-v%s: the level is a number up to 9", digits);
    return 0;
}

/* Options that say something once: where their value goes. */
static const char **text_of(cps_ask_t *ask, enum option option)
{
    switch (option) {
    case OPTION_TEXT:
        return &ask->text;
    case OPTION_FILE:
        return &ask->file;
    case OPTION_OUTPUT:
        return &ask->output;
    case OPTION_PROXY:
        return &ask->proxy;
    case OPTION_PROXY_URI:
        return &ask->proxy_uri;
    case OPTION_CREDENTIAL:
        return &ask->credential;
    case OPTION_STATE:
        return &ask->state;
    default:
        return NULL;
    }
}

static bool *flag_of(cps_ask_t *ask, enum option option)
{
    switch (option) {
    case OPTION_NON:
        return &ask->non_confirmable;
    case OPTION_QUIET:
        return &ask->quiet;
    case OPTION_JSON:
        return &ask->json;
    case OPTION_PLAIN:
        return &ask->plain;
    case OPTION_SEALED:
        return &ask->sealed;
    case OPTION_AGAIN:
        return &ask->again;
    case OPTION_RAW:
        return &ask->raw;
    case OPTION_HELP:
        return &ask->help;
    default:
        return NULL;
    }
}

static int take_option(cps_ask_t *ask, enum option option, const char *value)
{
    const char **text = text_of(ask, option);
    bool *flag = flag_of(ask, option);
    if (text != NULL) {
        *text = value;
        return 0;
    }
    if (flag != NULL) {
        *flag = true;
        return 0;
    }
    switch (option) {
    case OPTION_METHOD:
        if (ask->method != CPS_EMPTY)
            return cps_usage(ask->command, "the method is said twice: by the command and by -m, or by -m twice");
        return set_method(ask, value);
    case OPTION_FORMAT:
        return add_format(ask, CPS_OPT_CONTENT_FORMAT, value);
    case OPTION_ACCEPT:
        return add_format(ask, CPS_OPT_ACCEPT, value);
    case OPTION_OPTION:
        return add_numbered(ask, value);
    case OPTION_TOKEN:
        return set_token(ask, value);
    case OPTION_BLOCK:
        return set_block(ask, value);
    case OPTION_TIMEOUT:
        return set_timeout(ask, value);
    case OPTION_SECONDS:
        return set_subscribe(ask, value);
    case OPTION_LAST:
        return set_count(ask, value);
    case OPTION_VERBOSE:
        return set_verbose(ask, value);
    case OPTION_IF_MATCH:
        return add_bytes(ask, CPS_OPT_IF_MATCH, value);
    case OPTION_NO_RESPONSE:
        return add_uint(ask, CPS_OPT_NO_RESPONSE, CPS_NO_RESPONSE_ALL);
    case OPTION_IF_NONE_MATCH:
        return add_option(ask, CPS_OPT_IF_NONE_MATCH, cps_bytes(NULL, 0));
    default:
        return add_bytes(ask, CPS_OPT_ETAG, value);
    }
}

/* ---- all of it ---- */

static bool has(const cps_ask_t *ask, uint16_t number)
{
    for (size_t i = 0; i < ask->option_count; i++)
        if (ask->options[i].number == number)
            return true;
    return false;
}

static int check(const cps_ask_t *ask)
{
    if (ask->uri == NULL)
        return cps_usage(ask->command, "which resource? write its URI, as in coap://localhost/lock");
    if (ask->method == CPS_EMPTY)
        return cps_usage(ask->command, "which method? write a command, or -m METHOD");
    if (ask->text != NULL && ask->file != NULL)
        return cps_usage(ask->command, "-e and -f both say what to send: give one of them");
    if (ask->method >= CPS_FETCH && !has(ask, CPS_OPT_CONTENT_FORMAT)) /* RFC 8132 §2.3.1, §3 */
        return cps_usage(ask->command, "what the body means is said by its Content-Format: write -t, as in -t json");
    if (ask->proxy != NULL && ask->proxy_uri != NULL)
        return cps_usage(ask->command, "--proxy and --proxy-uri are two ways to one proxy: give one of them");
    if (ask->observe && ask->method != CPS_GET && ask->method != CPS_FETCH)
        return cps_usage(ask->command, "only what get and fetch read can be observed");
    if (ask->plain && (ask->sealed || ask->credential != NULL))
        return cps_usage(ask->command, "--plain means not to seal, and goes with no credential");
    return 0;
}

int cps_ask_read(cps_ask_t *ask, const char *method, int argc, char **argv)
{
    ask->from = -1;
    size_t count;
    const cps_arg_row_t *own = cps_ask_rows(ask, &count);
    cps_args_t args = cps_args_begin(ask->command, own, count, argc, argv);
    cps_arg_t arg;
    cps_arg_got_t got;
    int status = method[0] != '\0' ? set_method(ask, method) : 0;
    while (status == 0 && (got = cps_args_next(&args, &arg)) != CPS_ARG_END) {
        if (got == CPS_ARG_WRONG)
            return CPS_EXIT_USAGE;
        if (arg.row != NULL)
            status = take_option(ask, (enum option)(arg.row - rows), arg.value);
        else if (ask->uri == NULL)
            ask->uri = arg.value;
        else
            status = cps_usage(ask->command, "\"%s\" is one word too many: one request has one URI", arg.value);
    }
    if (status != 0 || ask->help)
        return status;
    if (ask->observe && ask->method == CPS_GET && (ask->text != NULL || ask->file != NULL))
        ask->method = CPS_FETCH; /* RFC 8132 §2.4: what is sent says what is observed */
    status = check(ask);
    return status == 0 ? cps_ask_open(ask) : status;
}
