// SPDX-License-Identifier: Apache-2.0
/* A thermometer that anybody may read, driven by the program's own loop: here poll, elsewhere what one has already.
 *
 *     example-sensor coap://127.0.0.1:5683 &
 *     coapsule get coap://127.0.0.1/temperature
 */
#include <coapsule/coapsule.h>

#include <poll.h>
#include <stdio.h>

#define MEASURE_EVERY_MS 1000

typedef struct sensor {
    unsigned tenths; /* of a degree */
    unsigned readings;
} sensor_t;

static cps_err_t temperature_get(cps_request_t *req, void *user)
{
    static const uint8_t max_age = 1; /* second: then it is measured again */
    static const cps_option_t options[] = {{CPS_OPT_CONTENT_FORMAT, {NULL, 0}}, {CPS_OPT_MAX_AGE, {&max_age, 1}}};
    const sensor_t *sensor = user;
    char text[32];
    int len = snprintf(text, sizeof text, "%u.%u", sensor->tenths / 10, sensor->tenths % 10);
    return cps_reply_with(req, CPS_CONTENT, options, 2, (cps_bytes_t){(const uint8_t *)text, (size_t)len});
}

/* Stands for hardware: wanders up and down between 18.0 and 24.0. */
static void measure(sensor_t *sensor)
{
    unsigned at = sensor->readings++ * 7 % 120;
    sensor->tenths = 180 + (at < 60 ? at : 120 - at);
}

static cps_err_t serve(cps_server_t *server, sensor_t *sensor)
{
    struct pollfd fd = {.fd = cps_server_fd(server), .events = POLLIN};
    cps_err_t err = CPS_OK;
    while (err == CPS_OK) {
        int timeout = cps_server_timeout_ms(server);
        if (timeout < 0 || timeout > MEASURE_EVERY_MS)
            timeout = MEASURE_EVERY_MS;
        if (poll(&fd, 1, timeout) == 0)
            measure(sensor);
        err = cps_server_step(server);
    }
    return err;
}

int main(int argc, char **argv)
{
    sensor_t sensor = {0};
    cps_server_t *server = NULL;
    measure(&sensor);
    cps_err_t err = cps_server_new(&server, CPS_SERVER_OPTIONS(.listen = argc > 1 ? argv[1] : NULL));
    if (err == CPS_OK)
        err = cps_server_add(server, CPS_RESOURCE(.path = "temperature", .get = temperature_get, .user = &sensor,
                                                  .rt = "example.temperature", .title = "Room temperature"));
    if (err == CPS_OK)
        err = serve(server, &sensor);
    fprintf(stderr, "%s\n", cps_server_detail(server));
    cps_server_free(server);
    return cps_err_exit(err);
}
