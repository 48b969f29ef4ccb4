// SPDX-License-Identifier: Apache-2.0
/* coapsule-foe: a UDP relay that attacks on command. */
#include "sim/addr.h"
#include "sim/relay_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define EXIT_USAGE  2
#define EXIT_LOCAL  3
#define COMMAND_MAX 16384U /* of a command: a rule that fills its 2 KiB of bytes takes a third of that */

typedef struct options {
    cps_addr_t listen[CPS_RELAY_LEGS_MAX];
    cps_addr_t forward[CPS_RELAY_LEGS_MAX];
    unsigned listens;
    unsigned forwards;
    const char *pcap;
    const char *script;
} options_t;

typedef struct program {
    cps_relay_t relay;
    cps_relay_cmd_t cmd;
    void *memory; /* of the foe */
    char line[COMMAND_MAX];
    size_t line_len;
    bool overlong; /* the line is too long, and skipped up to its end */
    bool closed;   /* standard input has ended */
} program_t;

static void usage(FILE *to)
{
    fputs("usage: coapsule-foe --listen ADDR:PORT --forward ADDR:PORT [--listen ... --forward ...]\n"
          "                    [--pcap FILE] [--script FILE]\n"
          "Relays UDP and does to it what the commands on standard input say; see coapsule-foe(1).\n",
          to);
}

static bool read_addr(const char *option, const char *text, cps_addr_t *list, unsigned *count)
{
    if (*count == CPS_RELAY_LEGS_MAX) {
        fprintf(stderr, "coapsule-foe: more than %u legs\n", CPS_RELAY_LEGS_MAX);
        return false;
    }
    if (!cps_simaddr_parse(text, strlen(text), &list[*count])) {
        fprintf(stderr, "coapsule-foe: %s: \"%s\" is not an address; write 127.0.0.1:5683 or [::1]:5683\n", option,
                text);
        return false;
    }
    (*count)++;
    return true;
}

static bool read_option(options_t *o, const char *option, const char *value)
{
    if (strcmp(option, "--listen") == 0)
        return read_addr(option, value, o->listen, &o->listens);
    if (strcmp(option, "--forward") == 0)
        return read_addr(option, value, o->forward, &o->forwards);
    const char **file = strcmp(option, "--pcap") == 0 ? &o->pcap : &o->script;
    *file = value;
    return true;
}

static bool read_options(int argc, char **argv, options_t *o)
{
    static const char *const known[] = {"--listen", "--forward", "--pcap", "--script"};
    *o = (options_t){0};
    for (int i = 1; i < argc; i += 2) {
        bool found = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
            found |= strcmp(argv[i], known[k]) == 0;
        if (!found || i + 1 == argc) {
            fprintf(stderr, "coapsule-foe: %s %s\n", argv[i], found ? "needs a value" : "is not an option");
            usage(stderr);
            return false;
        }
        if (!read_option(o, argv[i], argv[i + 1]))
            return false;
    }
    if (o->listens == 0 || o->listens != o->forwards) {
        fputs("coapsule-foe: each --listen needs its --forward, and there has to be one\n", stderr);
        usage(stderr);
        return false;
    }
    return true;
}

static bool make_foe(program_t *p)
{
    cps_foe_config_t config = cps_foe_config_defaults();
    cps_arena_t arena = cps_arena_measure();
    cps_foe_init(&p->relay.foe, &arena, &config);
    size_t need = cps_arena_need(&arena);
    p->memory = calloc(1, need);
    if (p->memory == NULL)
        return false;
    arena = cps_arena(p->memory, need);
    cps_foe_init(&p->relay.foe, &arena, &config);
    return !arena.failed;
}

static int open_legs(program_t *p, const options_t *o)
{
    char text[CPS_SIMADDR_TEXT_MAX];
    for (unsigned i = 0; i < o->listens; i++) {
        cps_err_t err = cps_relay_open(&p->relay, &o->listen[i], &o->forward[i]);
        if (err == CPS_ERR_ARGUMENT) {
            fputs("coapsule-foe: a leg needs an address to listen on and one to forward to, no wildcard\n", stderr);
            return EXIT_USAGE;
        }
        if (err != CPS_OK) {
            fprintf(stderr, "coapsule-foe: %s: %s\n", cps_simaddr_text(&o->listen[i], text), strerror(errno));
            return EXIT_LOCAL;
        }
    }
    return EXIT_SUCCESS;
}

/* Run a script before anything is relayed. Its answers are of no use to anybody. */
static int run_script(program_t *p, const char *path)
{
    FILE *script = fopen(path, "re");
    FILE *nowhere = fopen("/dev/null", "we");
    int status = EXIT_SUCCESS;
    if (script == NULL || nowhere == NULL) {
        fprintf(stderr, "coapsule-foe: %s: %s\n", path, strerror(errno));
        status = EXIT_LOCAL;
    }
    p->cmd.json.to = nowhere;
    for (unsigned number = 1; status == EXIT_SUCCESS && fgets(p->line, sizeof p->line, script) != NULL; number++) {
        cps_words_t w;
        if (cps_relay_cmd_script(&p->cmd, p->line, &w))
            continue;
        fprintf(stderr, "%s:%u: %s\n", path, number, w.error);
        status = EXIT_USAGE;
    }
    if (script != NULL)
        (void)fclose(script);
    if (nowhere != NULL)
        (void)fclose(nowhere);
    return status;
}

static void say_ready(program_t *p)
{
    char text[CPS_SIMADDR_TEXT_MAX];
    cps_json_t *j = &p->cmd.json;
    *j = (cps_json_t){.to = stdout};
    cps_json_open(j, NULL, '{');
    cps_json_bool(j, "ready", true);
    cps_json_open(j, "legs", '[');
    for (uint32_t i = 0; i < p->relay.leg_count; i++) {
        cps_json_open(j, NULL, '{');
        cps_json_num(j, "leg", i);
        cps_json_str(j, "listen", cps_simaddr_text(&p->relay.legs[i].listen, text));
        cps_json_str(j, "forward", cps_simaddr_text(&p->relay.legs[i].forward, text));
        cps_json_close(j, '}');
    }
    cps_json_close(j, ']');
    cps_json_close(j, '}');
    p->cmd.deaf = !cps_json_line(j);
}

/* Run the whole lines that were read, up to a "wait" that has no answer yet. */
static void run_lines(program_t *p)
{
    size_t done = 0;
    while (!p->cmd.wait.active && !p->cmd.quit) {
        char *newline = memchr(p->line + done, '\n', p->line_len - done);
        if (newline == NULL)
            break;
        *newline = '\0';
        if (!p->overlong)
            cps_relay_cmd_run(&p->cmd, p->line + done);
        p->overlong = false;
        done = (size_t)(newline - p->line) + 1;
        cps_relay_cmd_check(&p->cmd);
    }
    memmove(p->line, p->line + done, p->line_len - done);
    p->line_len -= done;
    if (p->line_len < sizeof p->line || p->cmd.wait.active)
        return;
    if (!p->overlong)
        cps_relay_cmd_refuse(&p->cmd, "the line is too long");
    p->overlong = true;
    p->line_len = 0;
}

static void read_input(program_t *p)
{
    ssize_t len = read(STDIN_FILENO, p->line + p->line_len, sizeof p->line - p->line_len);
    if (len > 0)
        p->line_len += (size_t)len;
    else if (len == 0 || (errno != EAGAIN && errno != EINTR))
        p->closed = true;
}

/* Sleep until a socket or the input has something, or something is due. */
static size_t wait_for_work(program_t *p, struct pollfd *fds)
{
    size_t count = cps_relay_poll(&p->relay, fds + 1);
    bool ask = !p->closed && p->line_len < sizeof p->line;
    fds[0] = (struct pollfd){ask ? STDIN_FILENO : -1, POLLIN, 0};
    cps_time_us_t due_us = cps_foe_next(&p->relay.foe);
    if (p->cmd.wait.active && p->cmd.wait.deadline_us < due_us)
        due_us = p->cmd.wait.deadline_us;
    cps_time_us_t now_us = cps_relay_now();
    uint64_t left_us = due_us > now_us ? due_us - now_us : 0;
    struct timespec left = {(time_t)(left_us / 1000000U), (long)(left_us % 1000000U) * 1000};
    if (ppoll(fds, count + 1, due_us == CPS_TIME_NEVER ? NULL : &left, NULL) < 0)
        return 0;
    return count;
}

static int relay_on(program_t *p)
{
    struct pollfd fds[CPS_RELAY_POLL_MAX + 1];
    cps_err_t err = CPS_OK;
    while (err == CPS_OK && !p->cmd.quit && !p->cmd.deaf && !(p->closed && !p->cmd.wait.active)) {
        size_t count = wait_for_work(p, fds);
        if (fds[0].revents != 0)
            read_input(p);
        run_lines(p); /* first: a command that was given before a datagram was sent shall act on it */
        for (size_t i = 1; i <= count && err == CPS_OK; i++)
            if (fds[i].revents != 0)
                err = cps_relay_receive(&p->relay, fds[i].fd);
        if (err == CPS_OK)
            err = cps_relay_send(&p->relay);
        cps_relay_cmd_check(&p->cmd);
        run_lines(p);
        if (err == CPS_OK)
            err = cps_relay_send(&p->relay);
    }
    if (err != CPS_OK)
        fprintf(stderr, "coapsule-foe: the capture could not be written: %s\n", strerror(errno));
    return err == CPS_OK ? EXIT_SUCCESS : EXIT_LOCAL;
}

static int run_program(program_t *p, const options_t *o)
{
    p->cmd.relay = &p->relay;
    cps_relay_init(&p->relay);
    if (!make_foe(p)) {
        fputs("coapsule-foe: no memory\n", stderr);
        return EXIT_LOCAL;
    }
    if (o->pcap != NULL && cps_pcapng_open(&p->relay.capture, o->pcap, "coapsule-foe") != CPS_OK) {
        fprintf(stderr, "coapsule-foe: %s: %s\n", o->pcap, strerror(errno));
        return EXIT_LOCAL;
    }
    int status = open_legs(p, o);
    if (status == EXIT_SUCCESS && o->script != NULL)
        status = run_script(p, o->script);
    if (status != EXIT_SUCCESS)
        return status;
    say_ready(p);
    return relay_on(p);
}

int main(int argc, char **argv)
{
    options_t options;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return EXIT_SUCCESS;
    }
    if (!read_options(argc, argv, &options))
        return EXIT_USAGE;
    signal(SIGPIPE, SIG_IGN); /* seen as a failed answer instead */
    program_t *program = calloc(1, sizeof *program);
    if (program == NULL)
        return EXIT_LOCAL;
    int status = run_program(program, &options);
    cps_relay_fini(&program->relay);
    free(program->memory);
    free(program);
    return status;
}
