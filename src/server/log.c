// SPDX-License-Identifier: Apache-2.0
/* The log of a server: host/log.h, or lines to a function of the caller. */
#include "server/server.h"

#define SECOND_MS 1000U

/* Lines come with their end; a caller's function gets them as strings. */
static void to_caller(void *user, cps_log_level_t level, const char *line, size_t len)
{
    const cps_server_t *s = user;
    char text[CPS_LOG_LINE_MAX];
    (void)level;
    len = len > 0 && line[len - 1] == '\n' ? len - 1 : len;
    len = len < sizeof text ? len : sizeof text - 1;
    memcpy(text, line, len);
    text[len] = '\0';
    s->sink(s->sink_user, text);
}

/* The place of a word in a list that ends with NULL; the list's length where it is not there. */
static size_t find(const char *const *list, const char *word)
{
    size_t i = 0;
    while (list[i] != NULL && strcmp(list[i], word) != 0)
        i++;
    return i;
}

cps_err_t cps_server_log_init(cps_server_t *server, const cps_server_options_t *options)
{
    static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
    static const char *const formats[] = {"text", "json", NULL};
    const char *level = options->log_level != NULL ? options->log_level : "info";
    const char *format = options->log_format != NULL ? options->log_format : "text";
    cps_log_options_t how = {.level = (cps_log_level_t)find(levels, level),
                             .format = (cps_log_format_t)find(formats, format),
                             .fd = 2,
                             .user = server};
    if (levels[how.level] == NULL)
        return cps_server_fail(server, CPS_ERR_CONFIG, "log_level %s: write error, warning, info or debug", level);
    if (formats[how.format] == NULL)
        return cps_server_fail(server, CPS_ERR_CONFIG, "log_format %s: write text or json", format);
    server->quiet = options->quiet;
    server->sink = options->log;
    server->sink_user = options->log_user;
    if (options->log != NULL)
        how.sink = to_caller;
    cps_log_init(&server->log, &how);
    return CPS_OK;
}

static void on_tick(uv_timer_t *timer) { cps_log_tick(&((cps_server_t *)timer->data)->log); }

void cps_server_log(cps_server_t *server, cps_log_level_t level, const char *name, const cps_log_field_t *fields,
                    size_t count)
{
    if (server->quiet || !server->has_loop || level > server->log.options.level)
        return;
    cps_log_event(&server->log, level, name, fields, count);
    if (!uv_is_active((const uv_handle_t *)&server->log_tick))
        uv_timer_start(&server->log_tick, on_tick, SECOND_MS, 0);
}
