// SPDX-License-Identifier: Apache-2.0
/* What a client observes (RFC 7641 §3). One stream a target holds the registration and finds it again when it is lost; each
 * observation of the target fetches from it at its own pace. */
#include "client/call.h"

#include "base/sized.h"

#include <stdlib.h>

#define QUEUE        16U
#define END_MS       5000U
#define PAUSE_US     5000000U /* before a lost registration is made anew; doubles */
#define PAUSE_MAX_US 300000000U
#define TARGET_OPTS  64U
#define TARGET_BYTES 2048U

/* A request of our own: what its pointers name is in `bytes`. */
typedef struct target {
    cps_client_request_t request;
    cps_option_t options[TARGET_OPTS];
    uint8_t *bytes;
} target_t;

typedef struct cps_stream {
    struct cps_stream *next;
    cps_client_t *client;
    target_t target;
    cps_handle_t handle; /* 0: lost, or over */
    char credential[CPS_STORE_NAME_MAX + 1];
    cps_response_t *newest;
    bool current; /* the newest is younger than its Max-Age */
    bool over;
    cps_err_t err; /* why, where there was no last response */
    cps_time_us_t retry_us;
    uint64_t pause_us;
    cps_observation_t *first;
} cps_stream_t;

struct cps_observation {
    cps_observation_t *next;
    cps_stream_t *stream;
    cps_response_t *queue[QUEUE];
    size_t count;
    bool tell_stale;
};

/* ---- the target ---- */

static size_t room_of(const cps_client_request_t *r)
{
    size_t room = strlen(r->uri) + 1 + r->payload.len + r->token.len;
    for (size_t i = 0; i < r->option_count; i++)
        room += r->options[i].value.len;
    return room;
}

static cps_bytes_t keep(cps_writer_t *w, cps_bytes_t bytes)
{
    const uint8_t *at = w->cur;
    cps_write_bytes(w, bytes);
    return cps_bytes(at, bytes.len);
}

/* A copy with Observe 0 in it. */
static cps_err_t target_init(target_t *t, const cps_client_request_t *from)
{
    size_t count = 0;
    if (from->option_count >= TARGET_OPTS)
        return CPS_ERR_TOO_LARGE;
    size_t room = room_of(from);
    t->bytes = malloc(room);
    if (t->bytes == NULL)
        return CPS_ERR_MEMORY;
    cps_writer_t w = cps_writer(t->bytes, room);
    t->request = *from;
    t->request.uri = (const char *)keep(&w, cps_bytes((const uint8_t *)from->uri, strlen(from->uri) + 1)).ptr;
    for (size_t i = 0; i < from->option_count; i++)
        if (from->options[i].number != CPS_OPT_OBSERVE)
            t->options[count++] = (cps_option_t){from->options[i].number, keep(&w, from->options[i].value)};
    t->options[count++] = (cps_option_t){CPS_OPT_OBSERVE, cps_bytes(NULL, 0)};
    t->request.options = t->options;
    t->request.option_count = count;
    t->request.payload = keep(&w, from->payload);
    t->request.token = keep(&w, from->token);
    return CPS_OK;
}

static bool same_options(const target_t *a, const target_t *b)
{
    for (size_t i = 0; i < a->request.option_count; i++)
        if (a->options[i].number != b->options[i].number || !cps_bytes_equal(a->options[i].value, b->options[i].value))
            return false;
    return true;
}

/* Whether two requests are for the same (RFC 7641 §3.1: never registered twice). */
static bool same_target(const target_t *a, const target_t *b)
{
    return a->request.method == b->request.method && strcmp(a->request.uri, b->request.uri) == 0 &&
           a->request.option_count == b->request.option_count && same_options(a, b) &&
           cps_bytes_equal(a->request.payload, b->request.payload);
}

/* ---- streams and their observations ---- */

static cps_response_t *pop(cps_observation_t *o)
{
    cps_response_t *first = o->queue[0];
    o->count--;
    for (size_t i = 0; i < o->count; i++)
        o->queue[i] = o->queue[i + 1];
    return first;
}

static void add(cps_observation_t *o, cps_response_t *response)
{
    if (o->count == QUEUE)
        cps_response_free(pop(o));
    o->queue[o->count++] = cps_response_ref(response);
    o->tell_stale = false;
}

static void take(cps_stream_t *s, cps_response_t *response)
{
    cps_response_free(s->newest);
    s->newest = response;
    s->current = true;
    for (cps_observation_t *o = s->first; o != NULL; o = o->next)
        add(o, response);
}

static void became_stale(cps_stream_t *s)
{
    for (cps_observation_t *o = s->first; o != NULL && s->current; o = o->next)
        o->tell_stale = true;
    s->current = false;
}

static void end_with(cps_stream_t *s, cps_err_t err)
{
    s->handle = 0;
    s->over = true;
    s->err = err;
}

/* What comes back by itself: a peer that is silent or away. Anything else would fail again. */
static bool is_passing(cps_err_t err)
{
    return err == CPS_ERR_TIMEOUT || err == CPS_ERR_OUTCOME_UNKNOWN || err == CPS_ERR_RESET ||
           err == CPS_ERR_UNREACHABLE || err == CPS_ERR_BUSY || err == CPS_ERR_RESOLVE;
}

static void lose(cps_stream_t *s, uint64_t wait_us)
{
    s->handle = 0;
    s->retry_us = cps_worker_now(s->client->worker) + wait_us;
    s->pause_us = s->pause_us == 0 ? PAUSE_US : 2 * s->pause_us;
    s->pause_us = s->pause_us < PAUSE_MAX_US ? s->pause_us : PAUSE_MAX_US;
}

static void fail(cps_stream_t *s, cps_err_t err)
{
    became_stale(s);
    if (is_passing(err))
        lose(s, s->pause_us != 0 ? s->pause_us : PAUSE_US);
    else
        end_with(s, err);
}

/* A response without Observe is the last of its registration. A server that says that it will be back is asked again. */
static void take_last(cps_stream_t *s, cps_response_t *response)
{
    uint32_t wait_s = cps_response_retry_after(response);
    if (wait_s != 0 || cps_response_code(response) == CPS_SERVICE_UNAVAILABLE) {
        cps_response_free(response);
        became_stale(s);
        lose(s, (uint64_t)wait_s * 1000000U);
        return;
    }
    take(s, response);
    end_with(s, CPS_OK);
}

static cps_stream_t *find(const cps_client_t *client, cps_handle_t handle)
{
    for (cps_stream_t *s = client->streams; s != NULL; s = s->next)
        if (s->handle == handle && handle != 0)
            return s;
    return NULL;
}

static cps_response_t *response_of(const cps_stream_t *s, const cps_event_t *event)
{
    cps_uri_t uri;
    if (cps_uri_parse(cps_bytes_str(s->target.request.uri), &uri, NULL) != CPS_OK)
        return NULL;
    return cps_response_new(&event->u.response, s->credential, &uri, s->target.request.uri);
}

bool cps_stream_event(cps_client_t *client, const cps_event_t *event)
{
    cps_stream_t *s = find(client, event->handle);
    if (s == NULL)
        return false;
    if (event->kind == CPS_EVENT_STALE) {
        became_stale(s);
        return true;
    }
    if (event->kind == CPS_EVENT_FAILED) {
        fail(s, event->u.failed.err);
        return true;
    }
    cps_response_t *response = response_of(s, event);
    if (response == NULL)
        end_with(s, CPS_ERR_MEMORY);
    else if (event->u.response.observing)
        take(s, response);
    else
        take_last(s, response);
    return true;
}

static void stream_free(cps_stream_t *s)
{
    cps_command_t forget = {.kind = CPS_COMMAND_CANCEL, .u.handle = s->handle};
    for (cps_stream_t **at = &s->client->streams; *at != NULL; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    if (s->handle != 0)
        (void)!cps_worker_submit(s->client->worker, &forget, NULL);
    cps_response_free(s->newest);
    free(s->target.bytes);
    free(s);
}

static void observation_free(cps_observation_t *o)
{
    for (cps_observation_t **at = &o->stream->first; *at != NULL; at = &(*at)->next)
        if (*at == o) {
            *at = o->next;
            break;
        }
    for (size_t i = 0; i < o->count; i++)
        cps_response_free(o->queue[i]);
    free(o);
}

void cps_stream_forget_all(cps_client_t *client)
{
    while (client->streams != NULL) {
        while (client->streams->first != NULL)
            observation_free(client->streams->first);
        stream_free(client->streams);
    }
}

/* ---- registering ---- */

/* Register, and wait for the answer until `deadline_us`. */
static cps_err_t enrol(cps_stream_t *s, cps_time_us_t deadline_us)
{
    cps_call_t *call = calloc(1, sizeof *call);
    if (call == NULL)
        return cps_client_say(s->client, CPS_ERR_MEMORY, "%s", cps_err_text(CPS_ERR_MEMORY));
    call->request = &s->target.request;
    call->deadline_us = deadline_us;
    cps_err_t err = cps_call_carry_out(s->client, call);
    if (err == CPS_OK) {
        memcpy(s->credential, call->credential, sizeof s->credential);
        s->handle = call->observing ? call->handle : 0;
        s->pause_us = call->observing ? 0 : s->pause_us;
        if (call->observing || s->first == NULL)
            take(s, call->response); /* whatever the first answer is, who asked for it gets it */
        else
            take_last(s, call->response);
    }
    free(call);
    return err;
}

static cps_err_t subscribe(cps_stream_t *s, cps_observation_t **out)
{
    cps_observation_t *o = calloc(1, sizeof *o);
    if (o == NULL)
        return cps_client_say(s->client, CPS_ERR_MEMORY, "%s", cps_err_text(CPS_ERR_MEMORY));
    o->stream = s;
    o->next = s->first;
    s->first = o;
    *out = o;
    return CPS_OK;
}

static cps_stream_t *known(const cps_client_t *client, const target_t *target)
{
    for (cps_stream_t *s = client->streams; s != NULL; s = s->next)
        if (!s->over && s->newest != NULL && same_target(&s->target, target))
            return s;
    return NULL;
}

static cps_err_t new_stream(cps_client_t *client, const cps_client_request_t *request, cps_stream_t **out)
{
    cps_stream_t *s = calloc(1, sizeof *s);
    cps_err_t err = s != NULL ? target_init(&s->target, request) : CPS_ERR_MEMORY;
    if (err != CPS_OK) {
        free(s);
        return cps_client_say(client, err, "%s: %s", request->uri, cps_err_text(err));
    }
    s->client = client;
    s->next = client->streams;
    client->streams = s;
    *out = s;
    return CPS_OK;
}

cps_err_t cps_client_observe(cps_client_t *client, const cps_client_request_t *request, cps_response_t **response,
                             cps_observation_t **observation)
{
    cps_client_request_t asked;
    cps_client_request_t wanted;
    cps_stream_t *s = NULL;
    *response = NULL;
    *observation = NULL;
    if (!cps_sized_copy(&asked, sizeof asked, request))
        return cps_client_say(client, CPS_ERR_ARGUMENT, "%s", cps_err_text(CPS_ERR_ARGUMENT));
    asked.method = asked.method == CPS_EMPTY ? CPS_GET : asked.method;
    cps_err_t err = cps_call_begin(client, &asked, &wanted);
    if (err == CPS_OK && wanted.method != CPS_GET && wanted.method != CPS_FETCH)
        err = cps_client_say(client, CPS_ERR_ARGUMENT, "%s: only GET and FETCH observe", wanted.uri);
    if (err == CPS_OK)
        err = new_stream(client, &wanted, &s);
    if (err != CPS_OK || s == NULL)
        return err;
    cps_stream_t *shared = known(client, &s->target);
    if (shared != NULL) {
        stream_free(s);
        s = shared;
    } else {
        err = enrol(s, cps_worker_now(client->worker) + client->timeout_us);
    }
    if (err == CPS_OK && s->handle != 0)
        err = subscribe(s, observation);
    if (err == CPS_OK && s->newest != NULL)
        *response = cps_response_ref(s->newest);
    if (s->first == NULL)
        stream_free(s);
    return err;
}

/* ---- waiting ---- */

static void wake(uv_timer_t *timer) { (void)timer; }

/* Let the loop run until something happens, or until then. */
static void run_until(cps_client_t *client, cps_time_us_t when)
{
    cps_time_us_t now = cps_worker_now(client->worker);
    uv_update_time(&client->loop);
    if (when != CPS_TIME_NEVER)
        uv_timer_start(&client->timer, wake, when > now ? (when - now + 999) / 1000 : 0, 0);
    uv_run(&client->loop, UV_RUN_ONCE);
    uv_timer_stop(&client->timer);
}

static cps_time_us_t earlier(cps_time_us_t a, cps_time_us_t b) { return a < b ? a : b; }

/* A registration gets some seconds, however short the caller's wait is: else it would never be answered. */
static void enrol_again(cps_stream_t *s, cps_time_us_t until)
{
    cps_time_us_t now = cps_worker_now(s->client->worker);
    cps_time_us_t least = now + 1000ULL * END_MS;
    cps_err_t err = enrol(s, earlier(now + s->client->timeout_us, until > least ? until : least));
    if (err != CPS_OK)
        fail(s, err);
}

static bool fetch(cps_observation_t *o, cps_response_t **response)
{
    if (o->count != 0) {
        *response = pop(o);
        return true;
    }
    bool tell = o->tell_stale;
    o->tell_stale = false;
    return tell;
}

cps_err_t cps_observation_next(cps_observation_t *observation, uint32_t timeout_ms, cps_response_t **response)
{
    cps_stream_t *s = observation->stream;
    cps_client_t *client = s->client;
    cps_time_us_t until = timeout_ms != 0 ? cps_worker_now(client->worker) + 1000ULL * timeout_ms : CPS_TIME_NEVER;
    *response = NULL;
    while (!fetch(observation, response)) {
        cps_time_us_t now = cps_worker_now(client->worker);
        if (s->over)
            return s->err != CPS_OK ? s->err : CPS_ERR_CANCELED;
        if (now >= until)
            return CPS_ERR_TIMEOUT;
        if (s->handle == 0 && now >= s->retry_us)
            enrol_again(s, until);
        else
            run_until(client, s->handle == 0 ? earlier(until, s->retry_us) : until);
    }
    return CPS_OK;
}

bool cps_observation_is_current(const cps_observation_t *observation) { return observation->stream->current; }

/* RFC 7641 §3.6. */
static cps_err_t tell_end(cps_stream_t *s)
{
    cps_command_t end = {.kind = CPS_COMMAND_END, .u.handle = s->handle};
    cps_time_us_t until = cps_worker_now(s->client->worker) + 1000ULL * END_MS;
    cps_err_t err = cps_worker_submit(s->client->worker, &end, NULL);
    while (err == CPS_OK && s->handle != 0 && cps_worker_now(s->client->worker) < until)
        run_until(s->client, until);
    if (err != CPS_OK)
        return err;
    return s->handle == 0 && s->over && s->err == CPS_OK ? CPS_OK : CPS_ERR_TIMEOUT;
}

cps_err_t cps_observation_end(cps_observation_t *observation)
{
    cps_err_t err = CPS_OK;
    if (observation == NULL)
        return CPS_OK;
    cps_stream_t *s = observation->stream;
    observation_free(observation);
    if (s->first != NULL)
        return CPS_OK;
    if (s->handle != 0)
        err = tell_end(s);
    stream_free(s);
    return err;
}
