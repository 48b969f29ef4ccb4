// SPDX-License-Identifier: Apache-2.0
/* The configuration of a daemon: a first byte that picks the table, then the file. What is read without an error is
 * dumped as a file that reads back the same; every error names the file and a line of it.
 *
 * covers: src/host/conf.c src/host/conf_daemon.c src/host/conf_kinds.c src/host/conf_print.c src/host/conf_yaml.c */
#include "fuzz.h"

#include "host/conf_daemon.h"

#define FILE_NAME "door.yaml"
#define TEXT_MAX  16384U

static char *dump(const cps_conf_table_t *table, const cps_conf_daemon_t *d, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    demand(out != NULL);
    cps_conf_dump(out, table, d);
    demand(fclose(out) == 0 && text != NULL);
    return text;
}

static void goes_round(const cps_conf_table_t *table, const cps_conf_daemon_t *d)
{
    cps_conf_t c;
    cps_conf_daemon_t again;
    size_t lens[2];
    char *first = dump(table, d, &lens[0]);
    cps_conf_init(&c, FILE_NAME);
    cps_err_t err = cps_conf_parse(&c, cps_bytes(first, lens[0]), table, &again);
    if (err != CPS_OK)
        fprintf(stderr, "%s\n%s\n", first, cps_conf_error_text(&c, 0));
    demand(err == CPS_OK);
    char *second = dump(table, &again, &lens[1]);
    demand(lens[0] == lens[1] && memcmp(first, second, lens[0]) == 0);
    cps_conf_fini(&c);
    free(first);
    free(second);
}

/* "door.yaml:12: what", "door.yaml: what" where the whole file is refused; nothing that a terminal would obey. */
static void check_error(const char *text, uint32_t lines)
{
    const char *at = text + strlen(FILE_NAME);
    demand(strncmp(text, FILE_NAME ":", strlen(FILE_NAME) + 1) == 0);
    if (at[1] != ' ') {
        char *end;
        unsigned long line = strtoul(at + 1, &end, 10);
        demand(line >= 1 && line <= lines && end[0] == ':' && end[1] == ' ');
    }
    for (; *at != '\0'; at++)
        demand((unsigned char)*at >= ' ' && *at != 0x7f);
}

/* As YAML 1.1 counts them. */
static uint32_t count_lines(cps_bytes_t text)
{
    uint32_t lines = 2;
    for (size_t i = 0; i < text.len; i++) /* CR, LF, NEL and the last byte of LS and PS */
        lines += text.ptr[i] == '\n' || text.ptr[i] == '\r' || (text.ptr[i] & 0xf0U) == 0x80 ||
                 (text.ptr[i] & 0xf0U) == 0xa0;
    return lines;
}

static void ask_lists(const cps_conf_daemon_t *d)
{
    static const char *const hosts[] = {"door.local", "a.b.c", "[fd00::1]", "10.0.0.1", ""};
    const cps_addr_t addrs[] = {{.ip = {10, 0, 0, 1}, .family = CPS_FAMILY_IPV4},
                                {.ip = {169, 254, 1, 1}, .family = CPS_FAMILY_IPV4},
                                {.ip = {0xfe, 0x80, [15] = 1}, .family = CPS_FAMILY_IPV6}};
    for (size_t i = 0; i < sizeof addrs / sizeof addrs[0]; i++) {
        (void)cps_conf_clients_allow(&d->clients, &addrs[i]);
        for (size_t h = 0; h < sizeof hosts / sizeof hosts[0]; h++) {
            bool by_name = cps_conf_targets_allow(&d->targets, cps_bytes_str(hosts[h]), 5683, NULL);
            bool by_addr = cps_conf_targets_allow(&d->targets, cps_bytes_str(hosts[h]), 5683, &addrs[i]);
            demand(by_name || !by_addr); /* an address takes away, it never adds */
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cps_conf_t c;
    cps_conf_daemon_t d;
    const char *text;
    if (size < 1 || size > TEXT_MAX)
        return 0;
    const cps_conf_table_t *table = (data[0] & 1U) != 0 ? &cps_conf_serve : &cps_conf_proxy;
    cps_bytes_t file = cps_bytes(data + 1, size - 1);
    cps_conf_init(&c, FILE_NAME);
    cps_err_t err = cps_conf_parse(&c, file, table, &d);
    demand((err == CPS_OK) == (cps_conf_error_text(&c, 0) == NULL));
    for (size_t i = 0; (text = cps_conf_error_text(&c, i)) != NULL; i++)
        check_error(text, count_lines(file));
    if (err == CPS_OK) {
        goes_round(table, &d);
        ask_lists(&d);
    }
    cps_conf_fini(&c);
    return 0;
}
