// SPDX-License-Identifier: Apache-2.0
/* What a server uses, as the kernel tells, and what is printed of a run. */
#include "load.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINE 512

static bool read_line(const char *path, const char *start, char *line)
{
    FILE *file = fopen(path, "r");
    bool found = false;
    while (file != NULL && !found && fgets(line, LINE, file) != NULL)
        found = strncmp(line, start, strlen(start)) == 0;
    if (file != NULL)
        (void)fclose(file);
    return found;
}

/* Nanoseconds on a processor, of all threads. */
static uint64_t cpu_ns(int pid)
{
    char path[300];
    char line[LINE];
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    /* cppcheck-suppress readdirCalled ; a stream of this function's own */
    for (struct dirent *task; tasks != NULL && (task = readdir(tasks)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", pid, task->d_name);
        if (task->d_name[0] != '.' && read_line(path, "", line))
            sum += strtoull(line, NULL, 10);
    }
    if (tasks != NULL)
        closedir(tasks);
    return sum;
}

/* Ticks of a core: user, nice, system, idle, iowait, irq, softirq, steal. */
static void core_ticks(int core, load_usage_t *out)
{
    char start[16];
    char line[LINE];
    char *at = line;
    snprintf(start, sizeof start, "cpu%d ", core);
    if (core < 0 || !read_line("/proc/stat", start, line))
        return;
    at += strlen(start);
    for (int i = 0; i < 8; i++) {
        uint64_t ticks = strtoull(at, &at, 10);
        out->core_ticks += ticks;
        out->core_busy += i == 3 || i == 4 ? 0 : ticks;
    }
}

static uint64_t allocations(const char *path)
{
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    void *at = mmap(NULL, sizeof(bench_count_t), PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return 0;
    const bench_count_t *count = at;
    uint64_t calls = atomic_load_explicit(&count->calls, memory_order_relaxed);
    munmap(at, sizeof *count);
    return calls;
}

load_usage_t load_usage(const load_plan_t *plan)
{
    load_usage_t usage = {0};
    char path[64];
    char line[LINE];
    if (plan->pid != 0) {
        usage.cpu_ns = cpu_ns(plan->pid);
        snprintf(path, sizeof path, "/proc/%d/status", plan->pid);
        if (read_line(path, "VmRSS:", line))
            usage.rss_kib = strtoull(line + 6, NULL, 10);
    }
    core_ticks(plan->core, &usage);
    usage.allocations = allocations(plan->count_file);
    return usage;
}

static double us_at(const load_result_t *r, double share) { return (double)bench_hist_at(&r->hist, share) / 1e3; }

void load_print(const load_plan_t *plan, const load_result_t *r)
{
    double measured = r->measured != 0 ? (double)r->measured : 1;
    printf(
        "{\"path\": \"%s\", \"type\": \"%s\", \"sealed\": %s, \"raw\": %s, \"sources\": %u, \"window\": %u, \"rate\": "
        "%u, "
        "\"requests\": %u, \"answered\": %llu, \"lost\": %llu, \"wrong\": %llu, \"measured\": %llu, \"seconds\": %.4f, "
        "\"per_second\": %.0f, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": "
        "%.1f",
        plan->path, plan->confirmable ? "CON" : "NON", plan->credentials != NULL ? "true" : "false",
        plan->raw ? "true" : "false", plan->sources, plan->window, plan->rate, plan->requests,
        (unsigned long long)r->answered, (unsigned long long)r->lost, (unsigned long long)r->wrong,
        (unsigned long long)r->measured, r->seconds, r->seconds > 0 ? measured / r->seconds : 0, us_at(r, 0.5),
        us_at(r, 0.9), us_at(r, 0.99), us_at(r, 0.999), (double)r->hist.max / 1e3);
    if (r->has_usage)
        printf(", \"cpu_ns_per_request\": %.0f, \"rss_kib\": %llu",
               (double)(r->after.cpu_ns - r->before.cpu_ns) / measured, (unsigned long long)r->after.rss_kib);
    if (plan->core >= 0 && r->after.core_ticks > r->before.core_ticks)
        printf(", \"core_busy\": %.3f", (double)(r->after.core_busy - r->before.core_busy) /
                                            (double)(r->after.core_ticks - r->before.core_ticks));
    if (plan->count_file != NULL)
        printf(", \"allocations\": %llu", (unsigned long long)(r->after.allocations - r->before.allocations));
    printf("}\n");
}
