/* Checks the features that the recipe of zeromq declares; prints the name of each feature that is missing. */
#include <stdio.h>
#include <string.h>
#include <zmq.h>

/* Sends a message through a pair of sockets, encrypted if the server has a secret key. */
static int can_send(const char *address, const char *public, const char *secret) {
    void *context = zmq_ctx_new(), *server = zmq_socket(context, ZMQ_PAIR), *client = zmq_socket(context, ZMQ_PAIR);
    char endpoint[256] = "", text[8] = "";
    size_t size = sizeof endpoint;
    int is_server = 1, timeout = 10000, is_right;

    zmq_setsockopt(server, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
    if (secret != NULL) {
        zmq_setsockopt(server, ZMQ_CURVE_SERVER, &is_server, sizeof is_server);
        zmq_setsockopt(server, ZMQ_CURVE_SECRETKEY, secret, 40);
        zmq_setsockopt(client, ZMQ_CURVE_SERVERKEY, public, 40);
        zmq_setsockopt(client, ZMQ_CURVE_PUBLICKEY, public, 40);
        zmq_setsockopt(client, ZMQ_CURVE_SECRETKEY, secret, 40);
    }
    is_right = zmq_bind(server, address) == 0 &&
               zmq_getsockopt(server, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0 &&
               zmq_connect(client, endpoint) == 0 && zmq_send(client, "text", 4, 0) == 4 &&
               zmq_recv(server, text, sizeof text, 0) == 4 && memcmp(text, "text", 4) == 0;
    timeout = 0;
    zmq_setsockopt(client, ZMQ_LINGER, &timeout, sizeof timeout);
    zmq_setsockopt(server, ZMQ_LINGER, &timeout, sizeof timeout);
    zmq_close(client);
    zmq_close(server);
    zmq_ctx_term(context);
    return is_right;
}

static int has_feature(const char *name) {
    char public[41], secret[41];

    if (strcmp(name, "curve") == 0)
        return zmq_has("curve") && zmq_curve_keypair(public, secret) == 0 &&
               can_send("tcp://127.0.0.1:*", public, secret);
    if (strcmp(name, "inproc") == 0)
        return can_send("inproc://check", NULL, NULL);
    if (strcmp(name, "ipc") == 0)
        return zmq_has("ipc") && can_send("ipc://*", NULL, NULL);
    return strcmp(name, "tcp") == 0 && can_send("tcp://127.0.0.1:*", NULL, NULL);
}

int main(int count, char **features) {
    int missing = 0;

    for (int i = 1; i < count; i++) {
        if (!has_feature(features[i])) {
            puts(features[i]);
            missing = 1;
        }
    }
    return missing;
}
