// SPDX-License-Identifier: Apache-2.0
#include "far.h"

#include <pthread.h>
#include <stdlib.h>

struct far {
    far_script_t script;
    uv_loop_t loop;
    uv_async_t end;
    cps_worker_t *worker;
    cps_addr_t at;
    pthread_t thread;
    pthread_mutex_t lock;
    unsigned requests;
    far_seen_t last;
};

void far_submit(far_t *far, const cps_command_t *command)
{
    if (cps_worker_submit(far->worker, command, NULL) != CPS_OK)
        abort();
}

void far_answer(far_t *far, const cps_event_t *event)
{
    const far_script_t *s = &far->script;
    cps_command_t reply = {.kind = CPS_COMMAND_REPLY, .u.reply = {.request = event->handle}};
    bool scripted = s->code != 0 && (s->answers == 0 || far->requests <= s->answers);
    reply.u.reply.code = scripted ? s->code : (event->u.request.message.code == CPS_GET ? CPS_CONTENT : CPS_CHANGED);
    reply.u.reply.options = scripted ? s->options : NULL;
    reply.u.reply.option_count = scripted ? s->option_count : 0;
    reply.u.reply.payload = cps_bytes_str(scripted ? s->payload : "hello");
    far_submit(far, &reply);
}

static void see(far_t *far, const cps_event_request_t *request)
{
    pthread_mutex_lock(&far->lock);
    far_seen_t *seen = &far->last;
    memset(seen, 0, sizeof *seen);
    far->requests++;
    seen->code = request->message.code;
    seen->sealed = request->context != 0;
    seen->oscore = request->oscore;
    if (request->message.options.len <= sizeof seen->options && request->message.payload.len <= sizeof seen->payload) {
        seen->options_len = request->message.options.len;
        seen->payload_len = request->message.payload.len;
        cps_copy(seen->options, request->message.options.ptr, seen->options_len);
        cps_copy(seen->payload, request->message.payload.ptr, seen->payload_len);
    }
    pthread_mutex_unlock(&far->lock);
}

static void on_event(void *user, const cps_event_t *event)
{
    far_t *far = user;
    if (event->kind == CPS_EVENT_JOB) { /* its store is this process's memory */
        cps_command_t done = {.kind = CPS_COMMAND_JOB_DONE,
                              .u.job_done = {.job = event->handle, .number = event->u.job.number}};
        far_submit(far, &done);
    } else if (event->kind == CPS_EVENT_REQUEST) {
        see(far, &event->u.request);
        if (far->script.on_request != NULL)
            far->script.on_request(far, event);
        else
            far_answer(far, event);
    }
}

static void on_end(uv_async_t *async)
{
    far_t *far = async->data;
    cps_worker_close(far->worker);
    uv_close((uv_handle_t *)async, NULL);
}

static void *serve(void *user)
{
    far_t *far = user;
    uv_run(&far->loop, UV_RUN_DEFAULT);
    return NULL;
}

far_t *far_start(const far_script_t *script)
{
    far_t *far = calloc(1, sizeof *far);
    cps_handle_t context;
    assert_non_null(far);
    far->script = *script;
    pthread_mutex_init(&far->lock, NULL);
    assert_int_equal(uv_loop_init(&far->loop), 0);
    assert_int_equal(uv_async_init(&far->loop, &far->end, on_end), 0);
    far->end.data = far;
    cps_ep_config_t config = {.dedup_bytes = 1 << 20, .layers = script->layers};
    cps_worker_hooks_t hooks = {on_event, NULL, far};
    assert_ok(cps_worker_new(&far->worker, &far->loop, &config, &hooks));
    if (script->context != NULL)
        assert_ok(cps_ep_context_add(cps_worker_ep(far->worker), script->context, &context));
    assert_ok(cps_addr_parse(CPS_BYTES_LIT("127.0.0.1:0"), 0, &far->at));
    assert_ok(cps_worker_listen(far->worker, &far->at, &far->at));
    assert_int_equal(pthread_create(&far->thread, NULL, serve, far), 0);
    return far;
}

void far_stop(far_t *far)
{
    uv_async_send(&far->end);
    pthread_join(far->thread, NULL);
    assert_int_equal(uv_loop_close(&far->loop), 0);
    pthread_mutex_destroy(&far->lock);
    free(far);
}

uint16_t far_port(const far_t *far) { return far->at.port; }

unsigned far_requests(far_t *far, far_seen_t *last)
{
    pthread_mutex_lock(&far->lock);
    unsigned requests = far->requests;
    if (last != NULL)
        *last = far->last;
    pthread_mutex_unlock(&far->lock);
    return requests;
}
