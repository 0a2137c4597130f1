/* Checks the features that the recipe of hiredis declares; prints the name of each feature that is missing. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>
#ifdef _WIN32
#include <winsock2.h>
#else
#include <sys/socket.h>
#include <unistd.h>
#endif

static int has_commands(void) {
    static const char expected[] = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\nword\r\n";
    char *command = NULL;
    int size = redisFormatCommand(&command, "SET %s %b", "a", "word", (size_t)4);
    int is_right = size == sizeof(expected) - 1 && memcmp(command, expected, sizeof(expected) - 1) == 0;

    redisFreeCommand(command);
    return is_right;
}

/* An answer that arrives in two parts: an array of a number, a string and nothing. */
static int has_replies(void) {
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;
    int is_right = redisReaderFeed(reader, "*3\r\n:42\r\n$4", 11) == REDIS_OK &&
                   redisReaderGetReply(reader, &reply) == REDIS_OK && reply == NULL &&
                   redisReaderFeed(reader, "\r\nword\r\n$-1\r\n", 13) == REDIS_OK &&
                   redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL;

    if (is_right) {
        redisReply *array = reply;

        is_right = array->type == REDIS_REPLY_ARRAY && array->elements == 3 && array->element[0]->integer == 42 &&
                   strcmp(array->element[1]->str, "word") == 0 && array->element[2]->type == REDIS_REPLY_NIL;
        freeReplyObject(reply);
    }
    redisReaderFree(reader);
    return is_right;
}

#ifdef _WIN32
typedef SOCKET connection;

/* Connect to a socket of this process. */
static redisContext *open_connection(connection *server) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int size = sizeof(address);
    redisContext *context;
    WSADATA data;
    SOCKET listener;

    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return NULL;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        return NULL;
    context = redisConnectWithTimeout("127.0.0.1", ntohs(address.sin_port), (struct timeval){10, 0});
    *server = accept(listener, NULL, NULL);
    closesocket(listener);
    return context;
}

static void close_connection(connection server) { closesocket(server); }
#else
typedef int connection;

/* Connect to the other end of a pair of sockets. */
static redisContext *open_connection(connection *server) {
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return NULL;
    *server = ends[1];
    return redisConnectFd(ends[0]);
}

static void close_connection(connection server) { close(server); }
#endif

/* The server has answered already when the command is sent. */
static int has_connection(void) {
    connection server;
    char sent[64] = "";
    int is_right = 0;
    redisContext *context = open_connection(&server);

    if (context == NULL)
        return 0;
    if (context->err == 0 && send(server, "+PONG\r\n", 7, 0) == 7) {
        redisReply *reply = redisCommand(context, "PING");

        is_right = reply != NULL && reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "PONG") == 0 &&
                   recv(server, sent, sizeof(sent) - 1, 0) == 14 && strcmp(sent, "*1\r\n$4\r\nPING\r\n") == 0;
        if (reply != NULL)
            freeReplyObject(reply);
    }
    redisFree(context);
    close_connection(server);
    return is_right;
}

static int has_feature(const char *name) {
    if (strcmp(name, "commands") == 0)
        return has_commands();
    return strcmp(name, "replies") == 0 ? has_replies() : strcmp(name, "connection") == 0 && has_connection();
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
