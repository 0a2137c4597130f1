/* Checks the features that the recipe of libuv declares; prints the name of each feature that is missing. */
#include <stdio.h>
#include <string.h>
#include <uv.h>

static uv_loop_t loop;
static char received[5];
static int fired, served;

static void on_timer(uv_timer_t *timer) {
    fired++;
    uv_close((uv_handle_t *)timer, NULL);
}

static int has_timers(void) {
    uv_timer_t timer;

    fired = 0;
    return uv_timer_init(&loop, &timer) == 0 && uv_timer_start(&timer, on_timer, 1, 0) == 0 &&
           uv_run(&loop, UV_RUN_DEFAULT) == 0 && fired == 1;
}

static int has_files(void) {
    static char data[] = "text";
    char folder[1024], back[4] = "";
    size_t size = sizeof(folder) - 20;
    uv_fs_t request;
    uv_buf_t out = uv_buf_init(data, 4), in = uv_buf_init(back, 4);
    int file, is_right = 0;

    if (uv_os_tmpdir(folder, &size) != 0)
        return 0;
    strcat(folder, "/everywheel-uv");
    file = (int)uv_fs_open(NULL, &request, folder, UV_FS_O_RDWR | UV_FS_O_CREAT | UV_FS_O_TRUNC, 0600, NULL);
    uv_fs_req_cleanup(&request);
    if (file >= 0) {
        is_right = uv_fs_write(NULL, &request, file, &out, 1, 0, NULL) == 4 &&
                   uv_fs_read(NULL, &request, file, &in, 1, 0, NULL) == 4 && memcmp(back, "text", 4) == 0;
        uv_fs_close(NULL, &request, file, NULL);
        uv_fs_unlink(NULL, &request, folder, NULL);
    }
    uv_fs_req_cleanup(&request);
    return is_right;
}

static void on_work(uv_work_t *request) { *(int *)request->data = 42; }

static void on_done(uv_work_t *request, int status) {
    if (status != 0)
        *(int *)request->data = -1;
}

static int has_threads(void) {
    uv_work_t request;
    int result = 0;

    request.data = &result;
    return uv_queue_work(&loop, &request, on_work, on_done) == 0 && uv_run(&loop, UV_RUN_DEFAULT) == 0 && result == 42;
}

static void allocate(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    (void)handle;
    (void)size;
    *buffer = uv_buf_init(received, 4);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
    (void)buffer;
    served = size == 4 && memcmp(received, "ping", 4) == 0;
    uv_close((uv_handle_t *)stream, NULL);
}

static void on_connection(uv_stream_t *server, int status) {
    static uv_tcp_t peer;

    if (status == 0 && uv_tcp_init(&loop, &peer) == 0 && uv_accept(server, (uv_stream_t *)&peer) == 0)
        uv_read_start((uv_stream_t *)&peer, allocate, on_read);
    uv_close((uv_handle_t *)server, NULL);
}

static void on_written(uv_write_t *request, int status) {
    (void)status;
    uv_close((uv_handle_t *)request->handle, NULL);
}

static void on_connected(uv_connect_t *request, int status) {
    static uv_write_t write;
    static char data[] = "ping";
    uv_buf_t buffer = uv_buf_init(data, 4);

    if (status == 0)
        uv_write(&write, request->handle, &buffer, 1, on_written);
}

static int has_sockets(void) {
    uv_tcp_t server, client;
    uv_connect_t request;
    struct sockaddr_in address;
    int size = sizeof(address);

    served = 0;
    return uv_ip4_addr("127.0.0.1", 0, &address) == 0 && uv_tcp_init(&loop, &server) == 0 &&
           uv_tcp_bind(&server, (struct sockaddr *)&address, 0) == 0 &&
           uv_listen((uv_stream_t *)&server, 1, on_connection) == 0 &&
           uv_tcp_getsockname(&server, (struct sockaddr *)&address, &size) == 0 && uv_tcp_init(&loop, &client) == 0 &&
           uv_tcp_connect(&request, &client, (struct sockaddr *)&address, on_connected) == 0 &&
           uv_run(&loop, UV_RUN_DEFAULT) == 0 && served;
}

static int has_feature(const char *name) {
    if (strcmp(name, "files") == 0)
        return has_files();
    if (strcmp(name, "sockets") == 0)
        return has_sockets();
    if (strcmp(name, "threads") == 0)
        return has_threads();
    return strcmp(name, "timers") == 0 && has_timers();
}

int main(int count, char **features) {
    int missing = 0;

    if (uv_loop_init(&loop) != 0)
        return 2;
    for (int i = 1; i < count; i++) {
        if (!has_feature(features[i])) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
